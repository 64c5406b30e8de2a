// SPDX-License-Identifier: MIT
#include "sink/fifo_sink.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <random>
#include <thread>

#include "tests/sink/fifo_testing.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

class FifoSinkTest : public testing::FifoTest {};

using testing::AppendNumbers;
using testing::Bytes;
using testing::NumberedBlock;
using testing::NumberedRecords;
using testing::ParseCapture;
using testing::PipeReader;
using testing::Sequence;
using testing::WaitUntil;

TEST_F(FifoSinkTest, ReaderGetsTheHeaderBeforeAnyPacketComes) {
  auto sink = Open();
  EXPECT_FALSE(sink->usable());
  EXPECT_EQ(sink->watch_fd(), -1);
  EXPECT_LE(sink->Service(), 20 * kNanosPerMilli);
  PipeReader reader(fifo_);
  sink->Service();
  EXPECT_TRUE(sink->usable());
  EXPECT_GE(sink->watch_fd(), 0);
  EXPECT_EQ(stats_.reader_attached.Value(), 1);
  EXPECT_TRUE(ParseCapture(reader.Take(24)).valid);
  EXPECT_EQ(stats_.reopens.Value(), 0U);
}

TEST_F(FifoSinkTest, ReaderThatWaitsAlreadyIsServedFromTheStart) {
  ASSERT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  PipeReader reader(fifo_);
  auto sink = Open();
  EXPECT_TRUE(ParseCapture(reader.Take(24)).valid);
}

TEST_F(FifoSinkTest, ReaderSeesByteForByteWhatWasDelivered) {
  auto sink = Open(65536);
  PipeReader reader(fifo_);
  Bytes expected;
  const FileHeaderBytes header = FileHeader(LinkType::kRaw);
  expected.insert(expected.end(), header.begin(), header.end());
  std::thread reading([&] { reader.TakeAll(); });
  for (uint32_t i = 0; i < 20'000; i += 100) {
    const size_t padding = i % 1000 == 0 ? 1400 : 20;  // blocks above and below the copying limit
    const Bytes records = NumberedRecords(i, 100, padding);
    expected.insert(expected.end(), records.begin(), records.end());
    sink->Deliver(testing::MakeBlock(records, 100));
  }
  sink->Finish();
  reading.join();
  EXPECT_EQ(reader.bytes(), expected);
  ExpectNothingLost(20'000);
  EXPECT_EQ(stats_.delivered_bytes.Value(), expected.size());
  EXPECT_EQ(stats_.rewritten_packets.Value(), 0U);
  EXPECT_EQ(stats_.reader_attached.Value(), 0);
}

TEST_F(FifoSinkTest, LatencyIsObservedPerPacketFromTheBlocksOldestTimestamp) {
  testing::FakeClock clock(testing::kFirstTimestamp + 3 * kNanosPerMilli);
  auto sink = OpenWith(&clock);
  PipeReader reader(fifo_);
  sink->Service();
  sink->Deliver(NumberedBlock(0, 10));
  EXPECT_EQ(stats_.delivery.SumMicros(), 30U * 1000);
  EXPECT_EQ(stats_.delivery.BucketValue(7), 10U) << "between 2 and 5 ms";
}

// Everything fits into the pipe: one thread plays both sides, so every number of bytes can be
// tried.
TEST_F(FifoSinkTest, NextReaderGoesOnAtTheFirstRecordThatWasNotReadWhole) {
  const size_t total = 24 + NumberedRecords(0, 8, 20).size();
  for (size_t taken = 0; taken <= total; ++taken) {
    SCOPED_TRACE(taken);
    SinkStats stats("sweep");
    auto opened = FifoSink::Open({.path = fifo_}, &stats, &clock_, &stop_);
    ASSERT_TRUE(opened.ok());
    auto sink = opened.Take();
    PipeReader first(fifo_);
    sink->Service();
    sink->Deliver(NumberedBlock(0, 3));
    sink->Deliver(NumberedBlock(3, 5));
    std::vector<uint32_t> numbers;
    AppendNumbers(first.Take(taken), &numbers);
    const size_t read_whole = numbers.size();
    first.Leave();
    sink->Service();
    EXPECT_EQ(stats.reader_attached.Value(), 0);
    PipeReader second(fifo_);
    sink->Service();
    sink->Deliver(NumberedBlock(8, 2));
    sink->Finish();
    AppendNumbers(second.TakeAll(), &numbers);
    EXPECT_EQ(ParseCapture(second.bytes()).rest, 0U);
    EXPECT_EQ(numbers, Sequence(10));
    EXPECT_EQ(stats.delivered_packets.Value(), 10U);
    EXPECT_EQ(stats.rewritten_packets.Value(), 8 - read_whole);
    EXPECT_EQ(stats.reopens.Value(), 1U);
  }
}

TEST_F(FifoSinkTest, ReaderThatLeavesDuringABlockLosesNothingForTheNext) {
  const uint32_t count = 60;
  const size_t total = 24 + NumberedRecords(0, count, 300).size();
  for (size_t taken = 0; taken < total - 4096; taken += 613) {
    SCOPED_TRACE(taken);
    SinkStats stats("sweep");
    auto opened = FifoSink::Open({.path = fifo_, .pipe_bytes = 4096}, &stats, &clock_, &stop_);
    ASSERT_TRUE(opened.ok());
    auto sink = opened.Take();
    PipeReader first(fifo_);
    sink->Service();
    std::thread delivering([&] {
      sink->Deliver(NumberedBlock(0, count, 300));
      sink->Finish();
    });
    std::vector<uint32_t> numbers;
    AppendNumbers(first.Take(taken), &numbers);
    first.Leave();
    ASSERT_TRUE(WaitUntil([&] { return stats.reader_attached.Value() == 0; }));
    PipeReader second(fifo_);
    AppendNumbers(second.TakeAll(), &numbers);
    delivering.join();
    EXPECT_EQ(numbers, Sequence(count));
    EXPECT_EQ(stats.delivered_packets.Value(), count);
    EXPECT_EQ(stats.queued_packets.Value(), 0);
  }
}

TEST_F(FifoSinkTest, KilledReaderProcessIsNoticedAndItsUnreadPacketsGoToTheNext) {
  auto sink = Open();
  UniqueFd read_end;
  UniqueFd write_end;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  read_end.Reset(ends[0]);
  write_end.Reset(ends[1]);
  const std::string path = fifo_;
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    char buffer[1000];
    size_t got = 0;
    while (got < sizeof buffer) {
      const ssize_t n = ::read(fd, buffer + got, sizeof buffer - got);
      if (n <= 0) {
        ::_exit(1);
      }
      got += static_cast<size_t>(n);
    }
    // Hands on what it has read, then waits to be killed.
    if (::write(ends[1], buffer, sizeof buffer) != sizeof buffer) {
      ::_exit(1);
    }
    ::pause();
    ::_exit(0);
  }
  ASSERT_GT(child, 0);
  ASSERT_TRUE(WaitUntil([&] {
    sink->Service();
    return sink->usable();
  }));
  sink->Deliver(NumberedBlock(0, 100));
  PipeReader told(std::move(read_end));
  std::vector<uint32_t> numbers;
  AppendNumbers(told.Take(1000), &numbers);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  pollfd noticed{sink->watch_fd(), 0, 0};
  ASSERT_EQ(::poll(&noticed, 1, testing::kPatienceMillis), 1)
      << "watch_fd() says nothing of the reader's end";
  sink->Service();
  PipeReader second(fifo_);
  sink->Service();
  sink->Finish();
  AppendNumbers(second.TakeAll(), &numbers);
  EXPECT_EQ(numbers, Sequence(100));
}

TEST_F(FifoSinkTest, StalledReaderHoldsTheSinkUpAndLosesNothing) {
  auto sink = Open(4096);
  PipeReader reader(fifo_);
  sink->Service();
  std::thread delivering([&] {
    for (uint32_t i = 0; i < 1000; i += 50) {
      sink->Deliver(NumberedBlock(i, 50, 200));
    }
    sink->Finish();
  });
  // The first block is larger than the pipe.
  ASSERT_TRUE(WaitUntil(
      [&] { return stats_.blocked_nanos.Value() > 0 || stats_.delivered_bytes.Value() >= 4096; }));
  EXPECT_LT(stats_.delivered_packets.Value(), 50U);
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.TakeAll(), &numbers);
  delivering.join();
  EXPECT_EQ(numbers, Sequence(1000));
  EXPECT_GT(stats_.blocked_nanos.Value(), 0U);
  ExpectNothingLost(1000);
}

TEST_F(FifoSinkTest, WithoutAReaderPacketsWaitForTheFirst) {
  auto sink = Open();
  std::thread delivering([&] {
    sink->Deliver(NumberedBlock(0, 100));
    sink->Finish();
  });
  ASSERT_TRUE(WaitUntil([&] { return stats_.blocked_nanos.Value() > 0; }));
  EXPECT_EQ(stats_.queued_packets.Value(), 100);
  PipeReader reader(fifo_);
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.TakeAll(), &numbers);
  delivering.join();
  EXPECT_EQ(numbers, Sequence(100));
  ExpectNothingLost(100);
}

TEST_F(FifoSinkTest, StopEndsTheWaitForAReaderAtItsDeadlineAndCountsWhatIsLeft) {
  auto sink = Open();
  std::thread delivering([&] { sink->Deliver(NumberedBlock(0, 100)); });
  ASSERT_TRUE(WaitUntil([&] { return stats_.blocked_nanos.Value() > 0; }));
  stop_.Request(clock_.MonotonicNow() + 30 * kNanosPerMilli);
  delivering.join();
  sink->Deliver(NumberedBlock(100, 5));
  EXPECT_EQ(Dropped(SinkDropReason::kShutdown), 105U);
  EXPECT_EQ(stats_.delivered_packets.Value(), 0U);
  EXPECT_EQ(stats_.queued_packets.Value(), 0);
  PipeReader late(fifo_);
  sink->Service();
  sink->Finish();
  EXPECT_EQ(stats_.reopens.Value(), 0U);
}

TEST_F(FifoSinkTest, StopWhileTheReaderStallsKeepsTheLedgerExact) {
  auto sink = Open(8192);
  PipeReader reader(fifo_);
  sink->Service();
  std::thread delivering([&] { sink->Deliver(NumberedBlock(0, 1000)); });
  ASSERT_TRUE(WaitUntil([&] { return stats_.delivered_bytes.Value() >= 4096; }));
  stop_.Request(clock_.MonotonicNow());
  delivering.join();
  sink->Finish();
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.TakeAll(), &numbers);
  EXPECT_EQ(stats_.delivered_packets.Value(), numbers.size());
  EXPECT_EQ(Dropped(SinkDropReason::kShutdown), 1000 - numbers.size());
  EXPECT_EQ(numbers, Sequence(static_cast<uint32_t>(numbers.size())));
}

TEST_F(FifoSinkTest, StopLeavesTimeUntilTheDeadline) {
  auto sink = Open(4096);
  PipeReader reader(fifo_);
  sink->Service();
  stop_.Request(clock_.MonotonicNow() + testing::kPatience);
  std::thread delivering([&] {
    sink->Deliver(NumberedBlock(0, 1000));
    sink->Finish();
  });
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.TakeAll(), &numbers);
  delivering.join();
  EXPECT_EQ(numbers, Sequence(1000));
  ExpectNothingLost(1000);
}

TEST_F(FifoSinkTest, SixReadersUnderLoadShareTheStreamWithoutGapOrDouble) {
  constexpr uint32_t kPackets = 30'000;
  auto sink = Open(16'384);
  std::thread delivering([&] {
    for (uint32_t i = 0; i < kPackets; i += 50) {
      sink->Deliver(NumberedBlock(i, 50, i % 300 == 0 ? 600 : 60));
    }
    sink->Finish();
  });
  std::mt19937 random(7);
  std::vector<uint32_t> numbers;
  for (int i = 0; i < 5; ++i) {
    PipeReader reader(fifo_);
    const size_t bytes = 1 + random() % 300'000;
    AppendNumbers(reader.Take(bytes), &numbers);
    ASSERT_EQ(reader.bytes().size(), bytes);
    reader.Leave();
    ASSERT_TRUE(WaitUntil([&] { return stats_.reader_attached.Value() == 0; }));
  }
  PipeReader last(fifo_);
  AppendNumbers(last.TakeAll(), &numbers);
  delivering.join();
  EXPECT_EQ(numbers, Sequence(kPackets));
  EXPECT_EQ(ParseCapture(last.bytes()).rest, 0U);
  EXPECT_EQ(stats_.reopens.Value(), 5U);
  ExpectNothingLost(kPackets);
}

TEST_F(FifoSinkTest, BytesThatAnotherWriterKeepsAliveAreNotLeftForTheNextReader) {
  auto sink = Open();
  PipeReader first(fifo_);
  sink->Service();
  const UniqueFd holder(::open(fifo_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(holder.valid());
  sink->Deliver(NumberedBlock(0, 10));
  first.Take(40);
  first.Leave();
  sink->Service();
  PipeReader second(fifo_);
  sink->Service();
  const size_t size = 24 + NumberedRecords(0, 10, 20).size();
  std::vector<uint32_t> numbers;
  AppendNumbers(second.Take(size), &numbers);
  EXPECT_EQ(numbers, Sequence(10));
}

TEST_F(FifoSinkTest, EthernetCaptureHoldsConvertedPacketsAndCountsTheRest) {
  auto sink = Open(1 << 20, LinkType::kEthernet);
  PipeReader first(fifo_);
  sink->Service();
  Bytes records = NumberedRecords(0, 3, 20);
  testing::AppendRecord(&records, {0x00, 0x01}, 5);
  sink->Deliver(testing::MakeBlock(records, 4));
  first.Take(30);
  first.Leave();
  sink->Service();
  PipeReader second(fifo_);
  sink->Service();
  sink->Finish();
  const testing::ParsedCapture capture = ParseCapture(second.TakeAll());
  ASSERT_TRUE(capture.valid);
  EXPECT_EQ(capture.link_type, 1U);
  ASSERT_EQ(capture.records.size(), 3U);
  const Bytes packet = testing::NumberedPacket(0, 20);
  EXPECT_TRUE(std::equal(packet.begin(), packet.end(), capture.records[0].data.begin() + 14,
                         capture.records[0].data.end()));
  EXPECT_EQ(Dropped(SinkDropReason::kLinkType), 1U);
  EXPECT_EQ(stats_.delivered_packets.Value(), 3U);
}

}  // namespace
}  // namespace pcap_zmq
