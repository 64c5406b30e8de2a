// SPDX-License-Identifier: MIT
#include "app/progress_bar.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <string>

#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

TEST(ProgressText, ShowsHowFarItIs) {
  const std::string half = ProgressText(0.5, 1234);
  EXPECT_EQ(half, "[" + std::string(20, '#') + std::string(20, ' ') + "]  50 %  1234 packets");
  EXPECT_EQ(ProgressText(0, 0), "[" + std::string(40, ' ') + "]   0 %  0 packets");
  EXPECT_EQ(ProgressText(1, 5), "[" + std::string(40, '#') + "] 100 %  5 packets");
}

TEST(ProgressText, KeepsItsWidth) {
  const size_t width = ProgressText(0, 7).size();
  for (int percent = 0; percent <= 100; ++percent) {
    EXPECT_EQ(ProgressText(percent / 100.0, 7).size(), width) << percent;
  }
}

TEST(ProgressText, IsNotFullBeforeTheEnd) {
  EXPECT_NE(ProgressText(0.9999, 5).find("99 %"), std::string::npos);
  EXPECT_NE(ProgressText(0.9999, 5).find(' '), ProgressText(1, 5).find(' '));
}

TEST(ProgressText, StaysWithinItsBounds) {
  EXPECT_EQ(ProgressText(1.7, 5), ProgressText(1, 5));
  EXPECT_EQ(ProgressText(-0.1, 5), ProgressText(0, 5));
}

TEST(ProgressText, OfUnknownLengthIsTheCountAlone) {
  EXPECT_EQ(ProgressText(std::numeric_limits<double>::quiet_NaN(), 42), "42 packets");
}

// Puts another file in stderr's place.
class StderrTo {
 public:
  explicit StderrTo(int fd) : saved_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  StderrTo(const StderrTo&) = delete;
  StderrTo& operator=(const StderrTo&) = delete;
  ~StderrTo() { ::dup2(saved_.get(), STDERR_FILENO); }

 private:
  UniqueFd saved_;
};

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  pollfd ready{fd, POLLIN, 0};
  while (::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0) {
    const ssize_t length = ::read(fd, buffer.data(), buffer.size());
    if (length <= 0) {
      break;
    }
    text.append(buffer.data(), static_cast<size_t>(length));
  }
  return text;
}

TEST(ProgressBar, DrawsOnATerminalAndEndsTheLine) {
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  if (!terminal.valid() || ::grantpt(terminal.get()) != 0 || ::unlockpt(terminal.get()) != 0) {
    GTEST_SKIP() << "no pseudo terminals here";
  }
  const UniqueFd screen(::open(::ptsname(terminal.get()), O_RDWR | O_NOCTTY));
  ASSERT_TRUE(screen.valid());
  bool active = false;
  {
    const StderrTo redirected(screen.get());
    ProgressBar bar;
    active = bar.active();
    bar.Draw(0.25, 10);
    bar.Draw(0.5, 20);
  }
  EXPECT_TRUE(active);
  const std::string drawn = ReadAll(terminal.get());
  EXPECT_EQ(drawn,
            "\r" + ProgressText(0.25, 10) + "\033[K\r" + ProgressText(0.5, 20) + "\033[K\r\n");
}

TEST(ProgressBar, WritesNothingWhereNobodyWatches) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  bool active = true;
  {
    const StderrTo redirected(writer.get());
    ProgressBar bar;
    active = bar.active();
    bar.Draw(0.25, 10);
  }
  EXPECT_FALSE(active);
  EXPECT_EQ(ReadAll(reader.get()), "");
}

}  // namespace
}  // namespace pcap_zmq
