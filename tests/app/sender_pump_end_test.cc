// SPDX-License-Identifier: MIT
// Twin of src/app/sender_pump.cc
//
// What a pump does when nobody receives, when it is told to stop and when its input ends.
#include <gtest/gtest.h>
#include <malloc.h>

#include <thread>

#include "app/sender_pump.h"
#include "tests/app/pump_fixture.h"

namespace pcap_zmq::testing {
namespace {

class SenderPumpEndTest : public PumpTest {
 protected:
  static PumpOptions Passing() {
    PumpOptions options;
    options.watermarks = {0, 0, kNanosPerSecond};
    return options;
  }
  // A linger of nothing: every batch is a frame, also while the buffer fills.
  static PumpOptions PassingWithoutMerging() {
    PumpOptions options = Passing();
    options.squash_linger = 0;
    return options;
  }
  static PumpOptions Squashing() {
    PumpOptions options;
    options.watermarks = {1, 0, kNanosPerSecond};
    return options;
  }
  static PushOptions Buffer(int frames, uint64_t bytes = 1'000'000) {
    PushOptions options;
    options.buffer_frames = frames;
    options.buffer_bytes = bytes;
    return options;
  }
};

TEST_F(SenderPumpEndTest, ABacklogOfSmallFramesTakesMemoryOfTheirSize) {
  constexpr int kFrames = 2000;
  const auto in_use = [] {
    const struct mallinfo2 heap = ::mallinfo2();
    return heap.uordblks + heap.hblkhd;
  };
  if (in_use() == 0) {
    GTEST_SKIP() << "this build's allocator does not say what is in use";
  }
  for (int i = 0; i < kFrames; ++i) {
    script_.Packets(TextBatch(1));
  }
  size_t held = 0;
  script_.Then([&] {
    EXPECT_EQ(stats_.buffered_packets.Value(), kFrames);
    held = in_use();
  });
  const auto pump = MakePump(PassingWithoutMerging(), Buffer(10'000, uint64_t{1} << 30));
  const size_t before = in_use();
  pump->Run(0);
  EXPECT_GT(held, before + kFrames * size_t{200});
  EXPECT_LT(held, before + kFrames * size_t{4096} + 100 * kFrameRawTarget);
}

TEST_F(SenderPumpEndTest, WithoutAReceiverWhatTheBufferDoesNotHoldIsDroppedAndCounted) {
  for (int i = 0; i < 6; ++i) {
    script_.Packets(TextBatch(2));
  }
  script_.Then([this] {
    // Four frames: the control frame and three batches.
    EXPECT_EQ(stats_.buffered_packets.Value(), 6);
    EXPECT_EQ(stats_.sent_packets.Value(), 0U);
    EXPECT_EQ(Dropped(DropReason::kZmqHwm), 6U);
    EXPECT_EQ(stats_.zmq_hwm_hits.Value(), 3U);
    ExpectTheLawCloses();
  });
  const auto pump = MakePump(PassingWithoutMerging(), Buffer(4));
  pump->Run(0);
  EXPECT_EQ(Dropped(DropReason::kZmqHwm), 6U);
  EXPECT_EQ(Dropped(DropReason::kShutdown), 6U) << "what was buffered is stranded";
  EXPECT_EQ(stats_.sent_packets.Value(), 0U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, WithoutAReceiverWhatExceedsTheBytesIsCountedAsSuch) {
  for (int i = 0; i < 10; ++i) {
    script_.Packets(TextBatch(10, 1000));
  }
  const auto pump = MakePump(PassingWithoutMerging(), Buffer(1000, 55'000));
  pump->Run(0);
  EXPECT_EQ(Dropped(DropReason::kShutdown), 50U);
  EXPECT_EQ(Dropped(DropReason::kZmqBytes), 50U);
  EXPECT_EQ(Dropped(DropReason::kZmqHwm), 0U);
  EXPECT_EQ(stats_.zmq_hwm_hits.Value(), 5U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, WithoutAReceiverSmallBatchesAreMergedSoThatTheBufferHoldsMore) {
  for (int i = 0; i < 200; ++i) {
    script_.Packets(TextBatch(2));
    script_.Pause(kNanosPerMilli);
  }
  const auto pump = MakePump(Passing(), Buffer(20));
  pump->Run(0);
  EXPECT_EQ(Dropped(DropReason::kZmqHwm), 0U);
  EXPECT_EQ(Dropped(DropReason::kShutdown), 400U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, WithoutAReceiverReportsDoNotFillTheBuffer) {
  script_.Pause(60 * kNanosPerSecond);
  script_.Packets(TextBatch(1));
  script_.Packets(TextBatch(1));
  const auto pump = MakePump(Passing(), Buffer(3));
  pump->Run(0);
  EXPECT_EQ(Dropped(DropReason::kZmqHwm), 0U);
  EXPECT_EQ(Dropped(DropReason::kShutdown), 2U);
}

TEST_F(SenderPumpEndTest, RefusedFramesLeaveNoGapInTheStream) {
  for (int i = 0; i < 8; ++i) {
    script_.Packets(TextBatch(3));
  }
  std::unique_ptr<PullSocket> pull;
  script_.Then([&] { pull = Bind(); });
  script_.Until([this] { return stats_.sent_packets.Value() == 9; });
  for (int i = 0; i < 3; ++i) {
    script_.Packets(TextBatch(2));
  }
  // Room for the first report and three batches; afterwards the receiver takes them as they come.
  const auto pump = MakePump(PassingWithoutMerging(), Buffer(4));
  pump->Run(kDrain);
  EXPECT_EQ(Dropped(DropReason::kZmqHwm), 15U);
  const auto frames = ReceiveStream(pull.get());
  uint64_t ordinal = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].header.sequence, i);
    EXPECT_EQ(frames[i].header.first_ordinal, ordinal);
    ordinal += frames[i].header.packet_count;
  }
  EXPECT_EQ(ordinal, 15U);
  EXPECT_EQ(stats_.sent_packets.Value(), 15U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, AtTheEndOfTheInputWhatIsHeldIsSent) {
  const auto pull = Bind();
  script_.Packets(TextBatch(5));
  script_.Then([this] { EXPECT_EQ(stats_.held_packets.Value(), 5); });
  const auto pump = MakePump(Squashing());
  pump->Run(kDrain);
  EXPECT_EQ(Records(ReceiveStream(pull.get())), script_.records());
  EXPECT_EQ(stats_.sent_packets.Value(), 5U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, AStopStillSendsWhatTheKernelHasLogged) {
  const auto pull = Bind();
  script_.Packets(TextBatch(3));
  script_.Then([this] { stop_.Request(clock_.MonotonicNow() + kDrain); });
  script_.Pause(kDrain);
  script_.Packets(TextBatch(2));
  script_.Packets(TextBatch(4));
  const auto pump = MakePump(Squashing());
  pump->Run(0);
  EXPECT_EQ(Captured(), 9U);
  EXPECT_EQ(Records(ReceiveStream(pull.get())), script_.records());
  EXPECT_EQ(stats_.dropped.Total(), 0U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, WhatIsLeftAtTheDeadlineIsReadToBeCounted) {
  const auto pull = Bind();
  script_.Packets(TextBatch(3));
  script_.Then([this] { stop_.Request(clock_.MonotonicNow()); });
  for (int i = 0; i < 3; ++i) {
    script_.Packets(TextBatch(2));
  }
  const auto pump = MakePump(Passing());
  pump->Run(kDrain);
  EXPECT_EQ(Captured(), 9U);
  EXPECT_GT(Dropped(DropReason::kShutdown), 0U) << "the deadline has passed";
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, WaitsForAReceiverUntilTheDeadlineAndStrandsTheRest) {
  script_.Packets(TextBatch(5));
  const auto pump = MakePump(Passing());
  std::thread running([&] { pump->Run(10 * kNanosPerSecond); });
  // From then on the pump drains, and its deadline is set.
  EXPECT_TRUE(WaitUntil([&] { return script_.stopped(); }));
  // It beats before it looks at the deadline; the second beat says that it has gone on.
  for (const Nanoseconds passed : {10 * kNanosPerSecond - 2, Nanoseconds{1}}) {
    clock_.Advance(passed);
    EXPECT_TRUE(WaitUntil([&] { return stats_.heartbeat.SilentFor(clock_.MonotonicNow()) == 0; }));
  }
  EXPECT_EQ(Dropped(DropReason::kShutdown), 0U);
  clock_.Advance(1);
  running.join();
  EXPECT_EQ(Dropped(DropReason::kShutdown), 5U);
  EXPECT_EQ(stats_.sent_packets.Value(), 0U);
  ExpectEverythingIsAccountedFor();
  // They were counted as dropped, so nobody may get them any more.
  const auto late = Bind();
  PushOptions options;
  options.endpoint = Endpoint();
  auto witness = PushSocket::Connect(context_, options);
  ASSERT_TRUE(witness.ok());
  FramePool pool(64);
  Frame mark = pool.Allocate(7);
  ASSERT_EQ(witness.value()->Send(std::move(mark)), SendOutcome::kAccepted);
  Frame arrived;
  ASSERT_TRUE(WaitUntil([&] { return late->Receive(&arrived); }));
  EXPECT_EQ(arrived.size(), 7U);
  EXPECT_FALSE(late->Receive(&arrived));
}

TEST_F(SenderPumpEndTest, AReceiverThatComesDuringTheDrainGetsEverything) {
  script_.Packets(TextBatch(5));
  const auto pump = MakePump(Passing());
  std::thread running([&] { pump->Run(kDrain); });
  EXPECT_TRUE(WaitUntil([&] { return stats_.buffered_packets.Value() == 5; }));
  const auto pull = Bind();
  EXPECT_EQ(PacketCount(ReceiveStream(pull.get())), 5U);
  running.join();
  EXPECT_EQ(stats_.sent_packets.Value(), 5U);
  EXPECT_EQ(stats_.dropped.Total(), 0U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, ASecondSignalCutsTheDrainShort) {
  script_.Packets(TextBatch(5));
  script_.Then([this] { stop_.Request(clock_.MonotonicNow() + kDrain); });
  const auto pump = MakePump(Passing());
  std::thread running([&] { pump->Run(kDrain); });
  EXPECT_TRUE(WaitUntil([&] { return stats_.buffered_packets.Value() == 5; }));
  stop_.Request(clock_.MonotonicNow());
  running.join();
  EXPECT_EQ(Dropped(DropReason::kShutdown), 5U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpEndTest, AStopEndsAPumpThatHasNothingToDo) {
  const auto pull = Bind();
  script_.Until([] { return false; });  // ends when the intake does
  const auto pump = MakePump(Passing());
  std::thread running([&] { pump->Run(kDrain); });
  EXPECT_TRUE(WaitUntil([&] { return stats_.sent_frames.Value() >= 1; })) << "it has begun";
  stop_.Request(clock_.MonotonicNow() + kDrain);
  running.join();
  const auto frames = ReceiveStream(pull.get());
  EXPECT_TRUE(frames.back().header.last);
  EXPECT_EQ(PacketCount(frames), 0U);
}

}  // namespace
}  // namespace pcap_zmq::testing
