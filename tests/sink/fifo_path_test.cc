// SPDX-License-Identifier: MIT
//
// What FifoSink makes of its path: the right one, a wrong one, and one that changes while it runs.
#include <gtest/gtest.h>

#include "sink/fifo_sink.h"
#include "tests/sink/fifo_testing.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

class FifoPathTest : public testing::FifoTest {};

using testing::AppendNumbers;
using testing::Bytes;
using testing::NumberedBlock;
using testing::NumberedRecords;
using testing::ParseCapture;
using testing::PipeReader;
using testing::Sequence;
using testing::WithoutRoot;

TEST_F(FifoPathTest, MakesAMissingFifoAndLeavesItBehind) {
  Open()->Finish();
  struct stat status {};
  ASSERT_EQ(::stat(fifo_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  EXPECT_EQ(status.st_mode & 0137U, 0U) << "nobody but the owner writes, others do not read";
}

TEST_F(FifoPathTest, DeletedFifoIsMadeAnewWhileNobodyReads) {
  auto sink = Open();
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  sink->Service();
  PipeReader reader(fifo_);
  sink->Service();
  EXPECT_TRUE(ParseCapture(reader.Take(24)).valid);
}

TEST_F(FifoPathTest, ReaderOfADeletedFifoKeepsItAndTheNextFindsANewOne) {
  testing::FakeClock clock;
  auto sink = OpenWith(&clock);
  PipeReader first(fifo_);
  sink->Service();
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  clock.Advance(kNanosPerSecond);
  sink->Service();
  sink->Deliver(NumberedBlock(0, 10));
  std::vector<uint32_t> numbers;
  AppendNumbers(first.Take(24 + NumberedRecords(0, 5, 20).size()), &numbers);
  EXPECT_EQ(numbers, Sequence(5));
  first.Leave();
  sink->Service();
  PipeReader second(fifo_);
  sink->Service();
  sink->Deliver(NumberedBlock(10, 10));
  sink->Finish();
  AppendNumbers(second.TakeAll(), &numbers);
  EXPECT_EQ(numbers, Sequence(20));
}

TEST_F(FifoPathTest, ReplacedFifoIsFollowed) {
  auto sink = Open();
  PipeReader first(fifo_);
  sink->Service();
  first.Leave();
  sink->Service();
  const std::string other = Path("other");
  ASSERT_EQ(::mkfifo(other.c_str(), 0600), 0);
  ASSERT_EQ(::rename(other.c_str(), fifo_.c_str()), 0);
  PipeReader second(fifo_);
  sink->Service();
  EXPECT_TRUE(ParseCapture(second.Take(24)).valid);
}

TEST_F(FifoPathTest, FifoReplacedByAFileIsNotWrittenAndIsUsedAgainOnceItIsAFifo) {
  auto sink = Open();
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  std::ofstream(fifo_) << "precious";
  sink->Service();
  EXPECT_FALSE(sink->usable());
  const Bytes content = testing::ReadFile(fifo_);
  EXPECT_EQ(std::string(content.begin(), content.end()), "precious");
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  sink->Service();
  PipeReader reader(fifo_);
  sink->Service();
  EXPECT_TRUE(sink->usable());
}

TEST_F(FifoPathTest, RegularFileIsRefusedWithTheSpellingThatWouldReplaceIt) {
  const std::string path = Path("file.pcap");
  std::ofstream(path) << "precious";
  const std::string message = OpenError(path, ErrorKind::kConfig);
  EXPECT_NE(message.find("file:" + path), std::string::npos) << message;
  EXPECT_EQ(testing::ReadFile(path).size(), 8U);
}

TEST_F(FifoPathTest, PathsThatCannotBeAFifoAreRefusedWithTheirReason) {
  EXPECT_NE(OpenError(directory_, ErrorKind::kConfig).find("is a directory"), std::string::npos);
  EXPECT_NE(OpenError(Path("no/such/fifo"), ErrorKind::kConfig).find("there is no directory"),
            std::string::npos);
  EXPECT_NE(OpenError("", ErrorKind::kConfig).find("is empty"), std::string::npos);
  EXPECT_NE(OpenError("/dev/null", ErrorKind::kConfig).find("neither a FIFO"), std::string::npos);
  std::ofstream(Path("file")) << "x";
  EXPECT_NE(OpenError(Path("file") + "/fifo", ErrorKind::kConfig).find("there is no directory"),
            std::string::npos);
  EXPECT_FALSE(OpenError("/proc/fifo", ErrorKind::kConfig).empty());
}

TEST_F(FifoPathTest, UnwritableDirectoryIsRefused) {
  ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
  WithoutRoot([&] {
    EXPECT_NE(OpenError(fifo_, ErrorKind::kConfig).find("no permission"), std::string::npos);
  });
  ASSERT_EQ(::chmod(directory_.c_str(), 0700), 0);
}

TEST_F(FifoPathTest, UnwritableFifoIsRefused) {
  ASSERT_EQ(::mkfifo(fifo_.c_str(), 0400), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  WithoutRoot([&] {
    EXPECT_NE(OpenError(fifo_, ErrorKind::kConfig).find("no permission"), std::string::npos);
  });
}

TEST_F(FifoPathTest, ReaderIsReplacedWithoutLossWhereOurOwnFifoMayNotBeRead) {
  ASSERT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  ASSERT_EQ(::chmod(fifo_.c_str(), 0222), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can read what nobody may read";
  }
  PipeReader first(fifo_);
  PipeReader second(UniqueFd(-1));
  std::vector<uint32_t> numbers;
  WithoutRoot([&] {
    auto sink = Open();
    sink->Deliver(NumberedBlock(0, 10));
    AppendNumbers(first.Take(150), &numbers);
    first.Leave();
    sink->Service();
    EXPECT_EQ(::seteuid(0), 0);
    second = PipeReader(fifo_);
    EXPECT_EQ(::seteuid(65534), 0);
    sink->Service();
    sink->Finish();
  });
  AppendNumbers(second.TakeAll(), &numbers);
  EXPECT_EQ(numbers, Sequence(10));
}

}  // namespace
}  // namespace pcap_zmq
