// SPDX-License-Identifier: MIT
#include "sink/file_sink.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/sink/sink_testing.h"

namespace pcap_zmq {
namespace {

using testing::AppendNumbers;
using testing::NumberedBlock;
using testing::NumberedRecords;
using testing::ParseCapture;
using testing::ReadFile;
using testing::Sequence;

class FileSinkTest : public testing::SinkTest {
 protected:
  std::unique_ptr<FileSink> Open(const std::string& path) {
    auto sink = FileSink::Open({.path = path}, &stats_, &clock_);
    EXPECT_TRUE(sink.ok()) << sink.error().message;
    return sink.Take();
  }
  std::string OpenError(const std::string& path) {
    auto sink = FileSink::Open({.path = path}, &stats_, &clock_);
    EXPECT_FALSE(sink.ok());
    EXPECT_EQ(sink.error().kind, ErrorKind::kConfig);
    return sink.error().message;
  }

  const std::string path_ = Path("out.pcap");
};

// No file of this process can grow beyond `bytes` while this lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(FileSinkTest, FileIsACompleteCaptureAfterEachDelivery) {
  auto sink = Open(path_);
  EXPECT_EQ(ReadFile(path_).size(), 24U);
  for (uint32_t i = 0; i < 30; i += 10) {
    sink->Deliver(NumberedBlock(i, 10));
    std::vector<uint32_t> numbers;
    AppendNumbers(ReadFile(path_), &numbers);
    EXPECT_EQ(numbers, Sequence(i + 10));
  }
  EXPECT_EQ(stats_.delivered_packets.Value(), 30U);
  EXPECT_EQ(stats_.delivered_bytes.Value(), ReadFile(path_).size());
  sink->Finish();
  sink->Deliver(NumberedBlock(30, 1));
  EXPECT_EQ(Dropped(SinkDropReason::kShutdown), 1U);
}

TEST_F(FileSinkTest, FullDiskCutsAtARecordCountsTheRestAndRecovers) {
  const size_t block = NumberedRecords(0, 10, 20).size();
  // Every place in the second block where the disk may end.
  for (size_t room = 0; room < block; room += 5) {
    SCOPED_TRACE(room);
    ::unlink(path_.c_str());
    SinkStats stats("sweep");
    auto opened = FileSink::Open({.path = path_}, &stats, &clock_);
    ASSERT_TRUE(opened.ok());
    auto sink = opened.Take();
    sink->Deliver(NumberedBlock(0, 10));
    uint64_t lost = 0;
    {
      const FileSizeLimit limit(24 + block + room);
      sink->Deliver(NumberedBlock(10, 10));
      EXPECT_FALSE(sink->usable());
      lost = stats.dropped.Value(SinkDropReason::kWriteError);
      EXPECT_EQ(stats.delivered_packets.Value(), 20 - lost);
      const testing::ParsedCapture capture = ParseCapture(ReadFile(path_));
      EXPECT_TRUE(capture.valid);
      EXPECT_EQ(capture.rest, 0U);
      EXPECT_EQ(capture.records.size(), 20 - lost);
    }
    EXPECT_GE(lost, 1U);
    sink->Deliver(NumberedBlock(20, 10));
    EXPECT_TRUE(sink->usable());
    const testing::ParsedCapture capture = ParseCapture(ReadFile(path_));
    EXPECT_EQ(capture.rest, 0U);
    ASSERT_EQ(capture.records.size(), 30 - lost);
    EXPECT_EQ(capture.records.back().number(), 29U);
    EXPECT_EQ(stats.delivered_packets.Value(), 30 - lost);
    EXPECT_EQ(stats.delivered_bytes.Value(), ReadFile(path_).size());
  }
}

// No sanitizer ends a process with it, as one does with 1: what it finds must not be skipped.
constexpr int kNoNamespace = 77;

// Runs in a child with a mount namespace of its own; the exit status says what was wrong.
int FillATinyDisk(const std::string& directory) {
  enum { kFine, kOpen, kNoDrop, kLedger, kCapture, kRecovery };
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", directory.c_str(), "tmpfs", 0, "size=64k") != 0) {
    return kNoNamespace;
  }
  SinkStats stats("disk");
  const SystemClock clock;
  const std::string path = directory + "/out.pcap";
  auto opened = FileSink::Open({.path = path}, &stats, &clock);
  if (!opened.ok()) {
    return kOpen;
  }
  const auto sink = opened.Take();
  const UniqueFd other(::open((directory + "/other").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (::posix_fallocate(other.get(), 0, 16384) != 0) {
    return kOpen;
  }
  for (uint32_t i = 0; i < 1000; i += 10) {
    sink->Deliver(NumberedBlock(i, 10, 100));
  }
  const uint64_t dropped = stats.dropped.Value(SinkDropReason::kWriteError);
  if (dropped == 0 || sink->usable()) {
    return kNoDrop;
  }
  testing::ParsedCapture capture = ParseCapture(ReadFile(path));
  if (stats.delivered_packets.Value() + dropped != 1000 ||
      stats.delivered_packets.Value() != capture.records.size()) {
    return kLedger;
  }
  if (!capture.valid || capture.rest != 0) {
    return kCapture;
  }
  if (::ftruncate(other.get(), 0) != 0) {
    return kOpen;
  }
  sink->Deliver(NumberedBlock(1000, 10, 100));
  capture = ParseCapture(ReadFile(path));
  return sink->usable() && capture.rest == 0 && capture.records.back().number() == 1009 ? kFine
                                                                                        : kRecovery;
}

TEST_F(FileSinkTest, FullFileSystemIsSurvived) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(FillATinyDisk(directory_));
  }
  ASSERT_GT(child, 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoNamespace) {
    GTEST_SKIP() << "may not mount a file system in a namespace of its own";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(FileSinkTest, ForeignLinkTypesAreConvertedAndCounted) {
  auto sink = Open(path_);
  testing::Bytes records;
  testing::AppendRecord(&records, testing::Bytes(20, 0xff), 1);
  sink->Deliver(testing::MakeBlock(records, 1, LinkType::kEthernet));
  EXPECT_EQ(Dropped(SinkDropReason::kLinkType), 1U);
  EXPECT_EQ(ReadFile(path_).size(), 24U);
}

TEST_F(FileSinkTest, WhatWasInTheFileIsKept) {
  std::ofstream(path_) << "not even a capture";
  std::vector<std::string> contents;
  for (uint32_t i = 0; i < 3; ++i) {
    auto sink = Open(path_);
    EXPECT_EQ(ReadFile(path_).size(), 24U);
    sink->Deliver(NumberedBlock(10 * i, 10));
  }
  const testing::Bytes foreign = ReadFile(path_ + ".1");
  EXPECT_EQ(std::string(foreign.begin(), foreign.end()), "not even a capture");
  for (uint32_t i = 0; i < 3; ++i) {
    const std::string path = i < 2 ? path_ + "." + std::to_string(i + 2) : path_;
    std::vector<uint32_t> numbers;
    AppendNumbers(ReadFile(path), &numbers);
    ASSERT_EQ(numbers.size(), 10U) << path;
    EXPECT_EQ(numbers.front(), 10 * i);
  }
}

TEST_F(FileSinkTest, ACaptureThatHasOnlyBegunIsUsedAgain) {
  for (const size_t size : {size_t{0}, size_t{10}, size_t{24}}) {
    Open(path_);
    ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(size)), 0);
    Open(path_)->Deliver(NumberedBlock(0, 1));
    EXPECT_EQ(ParseCapture(ReadFile(path_)).records.size(), 1U);
    EXPECT_NE(::access((path_ + ".1").c_str(), F_OK), 0) << size;
    ASSERT_EQ(::unlink(path_.c_str()), 0);
  }
}

TEST_F(FileSinkTest, AFileHasOneWriter) {
  const auto sink = Open(path_);
  sink->Deliver(NumberedBlock(0, 1));
  EXPECT_NE(OpenError(path_).find("another program writes to"), std::string::npos);
  sink->Deliver(NumberedBlock(1, 1));
  EXPECT_EQ(ParseCapture(ReadFile(path_)).records.size(), 2U);
  EXPECT_NE(::access((path_ + ".1").c_str(), F_OK), 0);
}

TEST_F(FileSinkTest, LinksAndDevicesAreRefused) {
  const std::string precious = Path("precious");
  std::ofstream(precious) << "x";
  ASSERT_EQ(::symlink(precious.c_str(), path_.c_str()), 0);
  EXPECT_NE(OpenError(path_).find("symbolic link"), std::string::npos);
  EXPECT_EQ(ReadFile(precious).size(), 1U);
  EXPECT_NE(OpenError("/dev/null").find("no regular file"), std::string::npos);
}

TEST_F(FileSinkTest, ADirectoryThatMayNotBeWrittenKeepsItsCapture) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can become another user";
  }
  Open(path_)->Deliver(NumberedBlock(0, 5));
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  ASSERT_EQ(::seteuid(65534), 0);
  const std::string message = OpenError(path_);
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_NE(message.find("cannot be renamed to " + path_ + ".1: Permission denied"),
            std::string::npos)
      << message;
  EXPECT_EQ(ParseCapture(ReadFile(path_)).records.size(), 5U);
}

TEST_F(FileSinkTest, PathsThatCannotBeACaptureFileAreRefused) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(OpenError(path_).find("without file:"), std::string::npos);
  EXPECT_NE(OpenError(directory_).find("is a directory"), std::string::npos);
  EXPECT_NE(OpenError(Path("no/such/file")).find("No such file"), std::string::npos);
  EXPECT_NE(OpenError("").find("is empty"), std::string::npos);
}

TEST_F(FileSinkTest, DiskWithoutRoomForTheHeaderIsARuntimeError) {
  const FileSizeLimit limit(10);
  auto sink = FileSink::Open({.path = path_}, &stats_, &clock_);
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().kind, ErrorKind::kRuntime);
  EXPECT_NE(sink.error().message.find("File too large"), std::string::npos);
}

}  // namespace
}  // namespace pcap_zmq
