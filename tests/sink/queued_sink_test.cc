// SPDX-License-Identifier: MIT
#include "sink/queued_sink.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sink/fifo_sink.h"
#include "tests/sink/sink_testing.h"
#include "tests/support/scarcity.h"

namespace pcap_zmq {
namespace {

using testing::AppendNumbers;
using testing::NumberedBlock;
using testing::PipeReader;
using testing::Sequence;
using testing::WaitUntil;

// What the test sees of a GatedSink, whose life belongs to the queue.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;                // guarded by mutex
  bool waiting = false;             // guarded by mutex
  bool finished = false;            // guarded by mutex
  std::vector<uint32_t> delivered;  // guarded by mutex

  void Open() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  void WaitForTheSink() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return waiting; });
  }
};

// A sink that takes packets only while its gate is open, and insists on one calling thread.
class GatedSink final : public PacketSink {
 public:
  GatedSink(Gate* gate, SinkStats* stats) : gate_(gate), stats_(stats) {}

  void Deliver(RecordBlockPtr block) override {
    CheckThread();
    std::unique_lock lock(gate_->mutex);
    gate_->waiting = true;
    gate_->changed.notify_all();
    gate_->changed.wait(lock, [this] { return gate_->open; });
    EXPECT_FALSE(gate_->finished);
    testing::Bytes capture(24 + block->records.size());
    std::copy(block->records.begin(), block->records.end(), capture.begin() + 24);
    const FileHeaderBytes header = FileHeader(LinkType::kRaw);
    std::copy(header.begin(), header.end(), capture.begin());
    AppendNumbers(capture, &gate_->delivered);
    stats_->delivered_packets.Add(block->packet_count);
  }
  Nanoseconds Service() override {
    CheckThread();
    return kNanosPerSecond;
  }
  int watch_fd() const override { return -1; }
  bool usable() const override { return true; }
  void Finish() override {
    CheckThread();
    const std::lock_guard lock(gate_->mutex);
    EXPECT_FALSE(gate_->finished);
    gate_->finished = true;
  }

 private:
  void CheckThread() {
    if (thread_ == std::thread::id()) {
      thread_ = std::this_thread::get_id();
    }
    EXPECT_EQ(thread_, std::this_thread::get_id());
  }

  Gate* const gate_;
  SinkStats* const stats_;
  std::thread::id thread_;
};

class QueuedSinkTest : public testing::SinkTest {
 protected:
  std::unique_ptr<QueuedSink> Start(std::unique_ptr<PacketSink> inner, OverflowPolicy policy,
                                    size_t max_bytes) {
    auto sink = QueuedSink::Start(std::move(inner), {.policy = policy, .max_bytes = max_bytes},
                                  &stats_, &clock_, &stop_);
    EXPECT_TRUE(sink.ok()) << sink.error().message;
    return sink.Take();
  }
  std::unique_ptr<QueuedSink> StartGated(OverflowPolicy policy, size_t max_bytes) {
    return Start(std::make_unique<GatedSink>(&gate_, &stats_), policy, max_bytes);
  }

  Gate gate_;
};

TEST_F(QueuedSinkTest, DeliversInOrderAndFinishesTheInnerSinkAfterTheLastBlock) {
  auto sink = StartGated(OverflowPolicy::kDrop, size_t{64} << 20);
  gate_.Open();
  for (uint32_t i = 0; i < 5000; i += 10) {
    sink->Deliver(NumberedBlock(i, 10));
  }
  sink->Finish();
  EXPECT_EQ(gate_.delivered, Sequence(5000));
  EXPECT_TRUE(gate_.finished);
  EXPECT_EQ(stats_.queued_packets.Value(), 0);
}

TEST_F(QueuedSinkTest, WithoutAThreadOrADescriptorItDoesNotStartAndNamesTheOutput) {
  const auto start = [this] {
    return QueuedSink::Start(std::make_unique<GatedSink>(&gate_, &stats_), {}, &stats_, &clock_,
                             &stop_);
  };
  std::vector<std::string> messages;
  {
    const testing::NoNewThreads none;
    const auto sink = start();
    ASSERT_FALSE(sink.ok());
    messages.push_back(sink.error().message);
  }
  {
    const testing::NoNewDescriptors none;
    const auto sink = start();
    ASSERT_FALSE(sink.ok());
    messages.push_back(sink.error().message);
  }
  EXPECT_NE(messages[0].find("cannot start the thread"), std::string::npos) << messages[0];
  EXPECT_NE(messages[1].find("cannot make an eventfd"), std::string::npos) << messages[1];
  for (const std::string& message : messages) {
    EXPECT_NE(message.find("output " + stats_.label), std::string::npos) << message;
  }
}

TEST_F(QueuedSinkTest, DropPolicyNeverWaitsAndCountsWhatDoesNotFit) {
  auto sink = StartGated(OverflowPolicy::kDrop, 10'000);
  sink->Deliver(NumberedBlock(0, 10));
  gate_.WaitForTheSink();
  for (uint32_t i = 10; i < 1000; i += 10) {
    sink->Deliver(NumberedBlock(i, 10));  // would never return if it waited
  }
  const uint64_t dropped = Dropped(SinkDropReason::kQueueFull);
  EXPECT_GT(dropped, 0U);
  EXPECT_LT(dropped, 990U);
  EXPECT_EQ(static_cast<uint64_t>(stats_.queued_packets.Value()) + dropped, 990U);
  gate_.Open();
  sink->Finish();
  EXPECT_EQ(gate_.delivered, Sequence(static_cast<uint32_t>(1000 - dropped)));
  EXPECT_EQ(stats_.delivered_packets.Value() + dropped, 1000U);
}

TEST_F(QueuedSinkTest, BlockPolicyWaitsForRoomAndLosesNothing) {
  auto sink = StartGated(OverflowPolicy::kBlock, 10'000);
  std::thread delivering([&] {
    for (uint32_t i = 0; i < 1000; i += 10) {
      sink->Deliver(NumberedBlock(i, 10));
    }
    sink->Finish();
  });
  gate_.WaitForTheSink();
  gate_.Open();
  delivering.join();
  EXPECT_EQ(gate_.delivered, Sequence(1000));
  EXPECT_EQ(stats_.dropped.Total(), 0U);
  EXPECT_EQ(stats_.queued_packets.Value(), 0);
}

TEST_F(QueuedSinkTest, BlockPolicyGivesUpAtTheStopDeadline) {
  auto sink = StartGated(OverflowPolicy::kBlock, 10'000);
  std::thread delivering([&] {
    for (uint32_t i = 0; i < 1000; i += 10) {
      sink->Deliver(NumberedBlock(i, 10));
    }
  });
  gate_.WaitForTheSink();
  stop_.Request(clock_.MonotonicNow() + 10 * kNanosPerMilli);
  delivering.join();
  gate_.Open();
  sink->Finish();
  EXPECT_GT(Dropped(SinkDropReason::kShutdown), 0U);
  EXPECT_EQ(stats_.delivered_packets.Value() + Dropped(SinkDropReason::kShutdown), 1000U);
  EXPECT_EQ(gate_.delivered.size(), stats_.delivered_packets.Value());
  EXPECT_EQ(stats_.queued_packets.Value(), 0);
}

TEST_F(QueuedSinkTest, WhoWaitsForRoomAndWhoWaitsForAReaderAreBothAlive) {
  // Beats that are long over: only new ones can change that.
  Heartbeat waiter;
  waiter.Beat(0);
  stats_.heartbeat.Beat(0);
  auto inner = FifoSink::Open({.path = Path("fifo")}, &stats_, &clock_, &stop_);
  ASSERT_TRUE(inner.ok());
  auto started = QueuedSink::Start(
      inner.Take(), {.policy = OverflowPolicy::kBlock, .max_bytes = 1, .waiter = &waiter}, &stats_,
      &clock_, &stop_);
  ASSERT_TRUE(started.ok());
  const auto sink = started.Take();
  std::thread delivering([&] {
    for (uint32_t i = 0; i < 50; i += 10) {
      sink->Deliver(NumberedBlock(i, 10));  // there is no reader
    }
  });
  for (int turn = 0; turn < 2; ++turn) {
    const Nanoseconds now = clock_.MonotonicNow();
    EXPECT_TRUE(WaitUntil(
        [&] { return waiter.SilentFor(now) == 0 && stats_.heartbeat.SilentFor(now) == 0; }));
  }
  stop_.Request(0);
  delivering.join();
  sink->Finish();
}

TEST_F(QueuedSinkTest, AnOutputThatMayDropGivesUpItsOldestWhenMemoryIsNeeded) {
  auto sink =
      Start(std::make_unique<GatedSink>(&gate_, &stats_), OverflowPolicy::kDrop, size_t{1} << 20);
  for (uint32_t i = 0; i < 50; i += 10) {
    sink->Deliver(NumberedBlock(i, 10));
  }
  gate_.WaitForTheSink();  // which has the first
  EXPECT_TRUE(sink->GiveUpOldest(PacketSink::Shared::kKeep));
  EXPECT_TRUE(sink->GiveUpOldest(PacketSink::Shared::kKeep));
  EXPECT_EQ(Dropped(SinkDropReason::kQueueFull), 20U);
  EXPECT_EQ(stats_.queued_packets.Value(), 20);
  gate_.Open();
  sink->Finish();
  std::vector<uint32_t> expected = Sequence(50);
  expected.erase(expected.begin() + 10, expected.begin() + 30);
  EXPECT_EQ(gate_.delivered, expected);
  EXPECT_FALSE(sink->GiveUpOldest(PacketSink::Shared::kKeep));
  EXPECT_FALSE(sink->GiveUpOldest(PacketSink::Shared::kGiveUp));
}

TEST_F(QueuedSinkTest, WhatOthersHoldAsWellIsGivenUpOnlyOnRequest) {
  auto sink =
      Start(std::make_unique<GatedSink>(&gate_, &stats_), OverflowPolicy::kDrop, size_t{1} << 20);
  sink->Deliver(NumberedBlock(0, 10));
  gate_.WaitForTheSink();
  // Large enough not to be copied.
  RecordBlockPtr shared = NumberedBlock(10, 1000);
  sink->Deliver(shared);
  EXPECT_FALSE(sink->GiveUpOldest(PacketSink::Shared::kKeep)) << "it would free nothing";
  EXPECT_TRUE(sink->GiveUpOldest(PacketSink::Shared::kGiveUp));
  sink->Deliver(shared);
  shared.reset();
  EXPECT_TRUE(sink->GiveUpOldest(PacketSink::Shared::kKeep));
  gate_.Open();
  sink->Finish();
  EXPECT_EQ(gate_.delivered, Sequence(10));
}

TEST_F(QueuedSinkTest, AnOutputThatBlocksGivesUpNothing) {
  auto sink =
      Start(std::make_unique<GatedSink>(&gate_, &stats_), OverflowPolicy::kBlock, size_t{1} << 20);
  for (uint32_t i = 0; i < 50; i += 10) {
    sink->Deliver(NumberedBlock(i, 10));
  }
  EXPECT_FALSE(sink->GiveUpOldest(PacketSink::Shared::kKeep));
  EXPECT_FALSE(sink->GiveUpOldest(PacketSink::Shared::kGiveUp));
  gate_.Open();
  sink->Finish();
  EXPECT_EQ(gate_.delivered, Sequence(50));
}

TEST_F(QueuedSinkTest, FifoReadersThatComeAndGoAreNoticedWithoutTraffic) {
  const std::string fifo = Path("fifo");
  auto inner = FifoSink::Open({.path = fifo}, &stats_, &clock_, &stop_);
  ASSERT_TRUE(inner.ok());
  auto sink = Start(inner.Take(), OverflowPolicy::kBlock, size_t{1} << 20);
  std::vector<uint32_t> numbers;
  const size_t block_bytes = testing::NumberedRecords(0, 10, 20).size();
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_FALSE(sink->usable());
    PipeReader reader(fifo);
    EXPECT_EQ(reader.Take(24).size(), 24U) << "the header comes without a packet";
    EXPECT_TRUE(sink->usable());
    sink->Deliver(NumberedBlock(i * 10, 10));
    AppendNumbers(reader.Take(i == 0 ? block_bytes : block_bytes - 7), &numbers);
    reader.Leave();
    ASSERT_TRUE(WaitUntil([&] { return stats_.reader_attached.Value() == 0; }));
  }
  PipeReader last(fifo);
  last.Take(24);
  sink->Finish();
  AppendNumbers(last.TakeAll(), &numbers);
  EXPECT_EQ(numbers, Sequence(50));
  EXPECT_EQ(stats_.delivered_packets.Value(), 50U);
}

TEST_F(QueuedSinkTest, BlockedFifoEndsAtTheStopDeadlineWithAnExactLedger) {
  auto inner = FifoSink::Open({.path = Path("fifo")}, &stats_, &clock_, &stop_);
  ASSERT_TRUE(inner.ok());
  auto sink = Start(inner.Take(), OverflowPolicy::kDrop, size_t{1} << 20);
  for (uint32_t i = 0; i < 100; i += 10) {
    sink->Deliver(NumberedBlock(i, 10));
  }
  ASSERT_TRUE(WaitUntil([&] { return stats_.blocked_nanos.Value() > 0; }));
  EXPECT_EQ(stats_.queued_packets.Value(), 100);
  stop_.Request(clock_.MonotonicNow() + 10 * kNanosPerMilli);
  sink->Finish();
  EXPECT_EQ(Dropped(SinkDropReason::kShutdown), 100U);
  EXPECT_EQ(stats_.queued_packets.Value(), 0);
}

}  // namespace
}  // namespace pcap_zmq
