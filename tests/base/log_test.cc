// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <regex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

// Stands in for stderr as long as it lives.  A pipe, so that one write(2) a line can be told from
// several; what is logged must fit into its 64 KiB.
class StderrPipe {
 public:
  StderrPipe() : saved_(::dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    read_.Reset(ends[0]);
    const UniqueFd write(ends[1]);
    EXPECT_GE(::dup2(write.get(), STDERR_FILENO), 0);
  }
  StderrPipe(const StderrPipe&) = delete;
  StderrPipe& operator=(const StderrPipe&) = delete;
  ~StderrPipe() { ::dup2(saved_.get(), STDERR_FILENO); }

  std::string Read() {
    std::string text(65'536, '\0');
    const ssize_t length = ::read(read_.get(), text.data(), text.size());
    text.resize(length > 0 ? static_cast<size_t>(length) : 0);
    return text;
  }

 private:
  UniqueFd saved_;
  UniqueFd read_;
};

std::string Logged(LogFormat format, LogLevel level, std::string_view message) {
  StderrPipe pipe;
  SetUpLog("pcap-zmq-send", format);
  Log(level, message);
  return pipe.Read();
}

TEST(Log, TextLineNamesTheProgramAndTheLevelUnlessItIsInfo) {
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kInfo, "started"), "pcap-zmq-send: started\n");
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kWarning, "reader gone"),
            "pcap-zmq-send: warning: reader gone\n");
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kError, "no"), "pcap-zmq-send: error: no\n");
}

TEST(Log, TextKeepsQuotesAndBackslashesAndOtherLanguages) {
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kInfo, "a \"b\" \\c \u00fc"),
            "pcap-zmq-send: a \"b\" \\c \u00fc\n");
}

TEST(Log, AMessageCannotForgeALineOrDriveTheTerminal) {
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kInfo, "a\nb\x1b[2J\x7f"),
            "pcap-zmq-send: a\\u000ab\\u001b[2J\\u007f\n");
}

TEST(Log, JsonLineHasTimeLevelProgramAndMessage) {
  const std::string line = Logged(LogFormat::kJson, LogLevel::kWarning, "reader gone");
  const std::regex shape(
      R"re(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"warning",)re"
      R"re("program":"pcap-zmq-send","message":"reader gone"\}\n)re");
  EXPECT_TRUE(std::regex_match(line, shape)) << line;
}

TEST(Log, JsonEscapesQuotesBackslashesAndControlCharacters) {
  const std::string line =
      Logged(LogFormat::kJson, LogLevel::kError, std::string_view("\"\\\n\t\0\x1f", 6));
  EXPECT_NE(line.find(R"("message":"\"\\\u000a\u0009\u0000\u001f"})"), std::string::npos) << line;
}

// Names of files are any bytes; one that is not UTF-8 would make the line no JSON.
TEST(Log, BytesThatAreNotUtf8AreReplacedInBothFormats) {
  const std::string name = "/run/caf\xe9.pcap, \xff\xc3(, \u00e9";
  const std::string shown = "/run/caf\ufffd.pcap, \ufffd\ufffd(, \u00e9";
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kInfo, name), "pcap-zmq-send: " + shown + "\n");
  const std::string line = Logged(LogFormat::kJson, LogLevel::kInfo, name);
  EXPECT_NE(line.find("\"message\":\"" + shown + "\"}"), std::string::npos) << line;
}

TEST(Log, ControlCharactersOfTwoBytesAreEscapedToo) {
  EXPECT_EQ(Logged(LogFormat::kText, LogLevel::kInfo,
                   "a\xc2\x9b"
                   "2J\xc2\xa0"),
            "pcap-zmq-send: a\\u009b2J\xc2\xa0\n");
}

TEST(Log, LinesOfSeveralThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 50;
  StderrPipe pipe;
  SetUpLog("p", LogFormat::kText);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t] {
      const std::string message(100, static_cast<char>('a' + t));
      for (int i = 0; i < kLines; ++i) {
        Log(LogLevel::kInfo, message);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::array<int, kThreads> lines{};
  std::string text = pipe.Read();
  while (!text.empty()) {
    const size_t end = text.find('\n');
    ASSERT_NE(end, std::string::npos);
    ASSERT_EQ(text.substr(0, 3), "p: ");
    const char letter = text[3];
    ASSERT_EQ(text.substr(3, end - 3), std::string(100, letter));
    ++lines.at(static_cast<size_t>(letter - 'a'));
    text.erase(0, end + 1);
  }
  for (const int count : lines) {
    EXPECT_EQ(count, kLines);
  }
}

}  // namespace
}  // namespace pcap_zmq
