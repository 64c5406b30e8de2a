// SPDX-License-Identifier: MIT
#include "tests/support/fifo_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <numeric>

#include "tests/support/capture.h"
#include "tests/support/temp_dir.h"

namespace pcap_zmq::testing {
namespace {

class FifoReaderTest : public ::testing::Test {
 protected:
  FifoReaderTest() {
    ::signal(SIGPIPE, SIG_IGN);
    ::mkfifo(fifo_.c_str(), 0600);
  }

  // Writes `count` bytes that count up, from `first` on; false when the reader went away.
  static bool WriteCounting(int fd, size_t first, size_t count) {
    std::vector<uint8_t> bytes(count);
    std::iota(bytes.begin(), bytes.end(), static_cast<uint8_t>(first));
    for (size_t done = 0; done < count;) {
      const ssize_t put = ::write(fd, bytes.data() + done, count - done);
      if (put < 0) {
        return false;
      }
      done += static_cast<size_t>(put);
    }
    return true;
  }

  static void ExpectCounting(const std::vector<uint8_t>& bytes, size_t first) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      ASSERT_EQ(bytes[i], static_cast<uint8_t>(first + i)) << "at byte " << i;
    }
  }

  UniqueFd OpenForWriting() const { return UniqueFd(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC)); }

  TempDir dir_;
  std::string fifo_ = dir_.File("fifo");
};

TEST_F(FifoReaderTest, KeepsEveryByteUntilTheWriterCloses) {
  FifoReader reader(fifo_);
  UniqueFd writer = OpenForWriting();
  ASSERT_TRUE(WriteCounting(writer.get(), 0, 300'000));
  writer.Reset();
  ASSERT_TRUE(reader.WaitForEnd());
  ASSERT_EQ(reader.captures().size(), 1u);
  EXPECT_EQ(reader.captures()[0].size(), 300'000u);
  EXPECT_EQ(reader.bytes_read(), 300'000u);
  ExpectCounting(reader.captures()[0], 0);
}

TEST_F(FifoReaderTest, ASupervisedReaderStartsAnewForTheNextWriter) {
  FifoReader reader(fifo_, true);
  for (size_t run = 0; run < 3; ++run) {
    UniqueFd writer = OpenForWriting();
    ASSERT_TRUE(WriteCounting(writer.get(), run, 1000));
    writer.Reset();
    ASSERT_TRUE(WaitUntil([&] { return reader.readers() == run + 2; }));
    EXPECT_EQ(reader.bytes_read(), 1000 * (run + 1));
  }
  ASSERT_TRUE(WaitUntil([&] { return reader.readers() == 4; }));
  reader.Stop();
  ASSERT_EQ(reader.captures().size(), 4u);
  std::vector<uint8_t> all;
  for (const std::vector<uint8_t>& capture : reader.captures()) {
    all.insert(all.end(), capture.begin(), capture.end());
  }
  EXPECT_EQ(all.size(), 3000u);
}

TEST_F(FifoReaderTest, APausedReaderTakesNothingAndKeepsTheFifoOpen) {
  FifoReader reader(fifo_);
  const UniqueFd writer = OpenForWriting();
  ASSERT_TRUE(WriteCounting(writer.get(), 0, 10));
  ASSERT_TRUE(WaitUntil([&] { return reader.bytes_read() == 10; }));
  reader.Pause();
  ::fcntl(writer.get(), F_SETFL, O_NONBLOCK);
  // The reader may take one more chunk before it notices; then the FIFO fills up and stays full.
  std::vector<uint8_t> chunk(4096);
  ASSERT_TRUE(WaitUntil([&] {
    while (::write(writer.get(), chunk.data(), chunk.size()) > 0) {
    }
    int unread = 0;
    return ::ioctl(writer.get(), FIONREAD, &unread) == 0 && unread >= 65536;
  }));
  const uint64_t before = reader.bytes_read();
  reader.Resume();
  EXPECT_TRUE(WaitUntil([&] { return reader.bytes_read() >= before + 65536; }));
}

TEST_F(FifoReaderTest, AReaderThatIsStoppedLeavesTheWriterWithoutOne) {
  FifoReader reader(fifo_);
  const UniqueFd writer = OpenForWriting();
  reader.Stop();
  EXPECT_FALSE(WriteCounting(writer.get(), 0, 1));
}

TEST_F(FifoReaderTest, AKilledReadersFileHoldsExactlyTheBytesThatItTook) {
  for (int round = 0; round < 20; ++round) {
    auto reader = ReaderProcess::Start(fifo_, dir_.File("taken"));
    ASSERT_TRUE(reader.ok());
    const UniqueFd writer = OpenForWriting();
    const size_t size = 100'000 + static_cast<size_t>(round) * 7'777;
    ASSERT_TRUE(WriteCounting(writer.get(), 0, size));
    reader.value()->Kill();
    int unread = 0;
    ASSERT_EQ(::ioctl(writer.get(), FIONREAD, &unread), 0);
    const std::vector<uint8_t> taken = ReadFileBytes(reader.value()->file());
    ASSERT_EQ(taken.size() + static_cast<size_t>(unread), size);
    ExpectCounting(taken, 0);
  }
}

TEST_F(FifoReaderTest, AReaderProcessEndsWithItsWriter) {
  auto reader = ReaderProcess::Start(fifo_, dir_.File("taken"));
  ASSERT_TRUE(reader.ok());
  UniqueFd writer = OpenForWriting();
  ASSERT_TRUE(WriteCounting(writer.get(), 0, 70'000));
  writer.Reset();
  ASSERT_TRUE(reader.value()->WaitForEnd());
  EXPECT_EQ(reader.value()->bytes_read(), 70'000u);
}

}  // namespace
}  // namespace pcap_zmq::testing
