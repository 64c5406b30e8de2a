// SPDX-License-Identifier: MIT
// Twin of src/sink/fifo_sink.cc
//
// A receiver that ends or is killed, and the next one, under a reader that stays.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "tests/sink/fifo_testing.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

using testing::AppendNumbers;
using testing::Bytes;
using testing::NumberedBlock;
using testing::NumberedRecords;
using testing::ParseCapture;
using testing::PipeReader;
using testing::Sequence;
using testing::UnreadIn;
using testing::WaitUntil;

constexpr size_t kHeader = 24;

class FifoRestartTest : public testing::FifoTest {
 protected:
  FifoRestartTest() { EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0); }

  // A receiver that is killed when its pipe is full, within a record; what was left in there.
  void KillAReceiver(const PipeReader& reader, size_t* unread) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto sink = Open();
      sink->Deliver(NumberedBlock(0, 2000, 1000));
      ::_exit(1);
    }
    // One write fills it.
    EXPECT_TRUE(WaitUntil([&] { return UnreadIn(reader.fd()) > 1'000'000; }));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    *unread = UnreadIn(reader.fd());
  }

  // A receiver that delivers `count` packets and ends as planned.
  void RunAReceiver(uint32_t count, size_t padding = 1000) {
    SinkStats stats("earlier");
    auto sink = FifoSink::Open({.path = fifo_}, &stats, &clock_, &stop_);
    ASSERT_TRUE(sink.ok());
    sink.value()->Deliver(NumberedBlock(0, count, padding));
    sink.value()->Finish();
    EXPECT_EQ(stats.delivered_packets.Value(), count);
  }

  // Looks for readers, as the receiver's thread does, until there is one.
  static bool Serve(FifoSink* sink) {
    return WaitUntil([&] {
      sink->Service();
      return sink->usable();
    });
  }
};

TEST_F(FifoRestartTest, ReaderOfAKilledReceiverReadsItsCaptureToTheEndAndTheNextBeginsAnother) {
  PipeReader reader(fifo_);
  size_t left = 0;
  ASSERT_NO_FATAL_FAILURE(KillAReceiver(reader, &left));
  auto sink = Open();
  sink->Service();
  EXPECT_FALSE(sink->usable());
  EXPECT_EQ(stats_.reader_attached.Value(), 0);
  EXPECT_EQ(UnreadIn(reader.fd()), left) << "nothing is added, nothing is taken away";
  reader.Take(left);
  sink->Service();
  EXPECT_FALSE(sink->usable());
  EXPECT_EQ(reader.TakeAll().size(), left) << "it finds the end of the file there";
  EXPECT_GT(ParseCapture(reader.bytes()).rest, 0U);
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.bytes(), &numbers);
  EXPECT_EQ(numbers, Sequence(static_cast<uint32_t>(numbers.size())));
  EXPECT_GT(numbers.size(), 500U);
  reader.Leave();
  sink->Service();
  PipeReader next(fifo_);
  ASSERT_TRUE(Serve(sink.get()));
  sink->Deliver(NumberedBlock(0, 10));
  sink->Finish();
  numbers.clear();
  AppendNumbers(next.TakeAll(), &numbers);
  EXPECT_EQ(numbers, Sequence(10));
  EXPECT_EQ(ParseCapture(next.bytes()).rest, 0U);
  ExpectNothingLost(10);
}

TEST_F(FifoRestartTest, ReaderOfAReceiverThatEndedMissesNothing) {
  PipeReader reader(fifo_);
  RunAReceiver(900);
  ASSERT_GT(UnreadIn(reader.fd()), 900U * 1000);
  auto sink = Open();
  std::thread delivering([&] {
    sink->Deliver(NumberedBlock(900, 10));
    sink->Finish();
  });
  EXPECT_TRUE(WaitUntil([&] { return stats_.blocked_nanos.Value() > 0; }));
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.TakeAll(), &numbers);
  EXPECT_EQ(numbers, Sequence(900));
  EXPECT_EQ(ParseCapture(reader.bytes()).rest, 0U);
  EXPECT_EQ(stats_.queued_packets.Value(), 10) << "they wait for the next reader";
  reader.Leave();
  PipeReader next(fifo_);
  AppendNumbers(next.TakeAll(), &numbers);
  delivering.join();
  EXPECT_EQ(numbers, Sequence(910));
  ExpectNothingLost(10);
}

// It has read all there was and is busy with that.
TEST_F(FifoRestartTest, ReaderThatHasNotSeenTheEndYetStillFindsIt) {
  PipeReader reader(fifo_);
  RunAReceiver(10);
  const size_t size = reader.Take(kHeader + NumberedRecords(0, 10, 1000).size()).size();
  ASSERT_EQ(UnreadIn(reader.fd()), 0U);
  auto sink = Open();
  sink->Service();
  EXPECT_FALSE(sink->usable());
  EXPECT_EQ(reader.TakeAll().size(), size);
}

TEST_F(FifoRestartTest, ReaderThatStaysAfterTheEndIsServedOnceItMustHaveSeenIt) {
  testing::FakeClock clock;
  PipeReader reader(fifo_);
  RunAReceiver(10);
  auto sink = OpenWith(&clock);
  clock.Advance(100 * kNanosPerSecond);
  sink->Service();
  EXPECT_FALSE(sink->usable()) << "there is no end before all is read";
  const size_t size = reader.TakeAll().size();
  clock.Advance(kNanosPerSecond);
  sink->Service();
  clock.Advance(10 * kNanosPerSecond - 1);
  sink->Service();
  EXPECT_FALSE(sink->usable());
  EXPECT_EQ(reader.TakeAll().size(), size);
  clock.Advance(kNanosPerSecond);
  sink->Service();
  EXPECT_TRUE(sink->usable());
  Bytes second = reader.Take(kHeader);
  second.erase(second.begin(), second.begin() + static_cast<long>(size));
  EXPECT_TRUE(ParseCapture(second).valid);
}

TEST_F(FifoRestartTest, ReaderThatNoReceiverHasServedIsServedAtOnce) {
  PipeReader reader(fifo_);
  auto sink = Open();
  EXPECT_TRUE(sink->usable());
  EXPECT_TRUE(ParseCapture(reader.Take(kHeader)).valid);
}

TEST_F(FifoRestartTest, ProgramThatWaitsInOpenForTheNextReceiverIsServed) {
  {
    PipeReader reader(fifo_);
    RunAReceiver(10);
  }
  Bytes bytes;
  std::thread reading([&] {
    PipeReader reader(UniqueFd(::open(fifo_.c_str(), O_RDONLY | O_CLOEXEC)));
    bytes = reader.TakeAll();
  });
  auto sink = Open();
  EXPECT_TRUE(Serve(sink.get()));
  sink->Finish();
  reading.join();
  EXPECT_EQ(bytes.size(), kHeader);
  EXPECT_TRUE(ParseCapture(bytes).valid);
}

TEST_F(FifoRestartTest, StopEndsTheWaitForAReaderOfAnotherAndCountsWhatIsLeft) {
  PipeReader reader(fifo_);
  RunAReceiver(10);
  auto sink = Open();
  const size_t unread = UnreadIn(reader.fd());
  std::thread delivering([&] { sink->Deliver(NumberedBlock(0, 100)); });
  EXPECT_TRUE(WaitUntil([&] { return stats_.blocked_nanos.Value() > 0; }));
  stop_.Request(clock_.MonotonicNow());
  delivering.join();
  sink->Finish();
  EXPECT_EQ(Dropped(SinkDropReason::kShutdown), 100U);
  EXPECT_EQ(stats_.queued_packets.Value(), 0);
  EXPECT_EQ(UnreadIn(reader.fd()), unread);
}

// The part of a record that was in the pipe when the stop came is completed as soon as there is
// room, and nothing is begun any more that might not fit.
TEST_F(FifoRestartTest, ReaderThatIsTooSlowForTheStopFindsWholeRecordsToTheEnd) {
  for (const size_t padding : {300U, 3000U, 9000U}) {
    SCOPED_TRACE(padding);
    SinkStats stats("slow");
    StopEvent stop;
    constexpr int kBytes = 1 << 17;
    auto opened = FifoSink::Open({.path = fifo_, .pipe_bytes = kBytes}, &stats, &clock_, &stop);
    ASSERT_TRUE(opened.ok());
    auto sink = opened.Take();
    PipeReader reader(fifo_);
    sink->Service();
    std::thread delivering([&] { sink->Deliver(NumberedBlock(0, 2000, padding)); });
    EXPECT_TRUE(WaitUntil([&] {
      return stats.delivered_bytes.Value() > kBytes / 2 &&
             stats.delivered_bytes.Value() == UnreadIn(reader.fd());
    }));
    stop.Request(clock_.MonotonicNow() + testing::kPatience);
    const uint64_t before = stats.delivered_packets.Value();
    reader.Take(100'000);
    EXPECT_TRUE(WaitUntil([&] { return stats.delivered_packets.Value() > before + 1; }));
    stop.Request(clock_.MonotonicNow());
    delivering.join();
    sink->Finish();
    std::vector<uint32_t> numbers;
    AppendNumbers(reader.TakeAll(), &numbers);
    EXPECT_EQ(ParseCapture(reader.bytes()).rest, 0U);
    EXPECT_EQ(numbers, Sequence(static_cast<uint32_t>(stats.delivered_packets.Value())));
    EXPECT_EQ(stats.delivered_packets.Value() + stats.dropped.Value(SinkDropReason::kShutdown),
              2000U);
  }
}

TEST_F(FifoRestartTest, RecordsLargerThanThePipeAreStillWrittenAfterTheStop) {
  PipeReader reader(fifo_);
  auto sink = Open(4096);
  stop_.Request(clock_.MonotonicNow() + testing::kPatience);
  std::thread delivering([&] {
    sink->Deliver(NumberedBlock(0, 50, 9000));
    sink->Finish();
  });
  std::vector<uint32_t> numbers;
  AppendNumbers(reader.TakeAll(), &numbers);
  delivering.join();
  EXPECT_EQ(numbers, Sequence(50));
  ExpectNothingLost(50);
}

}  // namespace
}  // namespace pcap_zmq
