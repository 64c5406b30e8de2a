// SPDX-License-Identifier: MIT
//
// Between the watermarks packets are merged and compressed, above them the excess is dropped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "base/stats.h"
#include "codec/frame_decoder.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"
#include "tests/support/sanitized.h"
#include "tests/support/wire_tap.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kFrameTarget = 65536;
// Threads that a packet on its way to a test's PULL waits for, each of which may be woken late: the
// pump, ZeroMQ's on both sides, and the test's own.
constexpr int kHandOvers = 4;

class RateControl : public PipeTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    PipeTest::SetUp();
    if (!IsSkipped()) {
      ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
    }
  }

  void OpenGenerator(const TrafficOptions& options) {
    auto generator = TrafficGenerator::Open(options);
    ASSERT_TRUE(generator.ok()) << generator.error().message;
    generator_ = generator.Take();
  }

  Arguments SenderOptions(Arguments options) const {
    options.insert(options.end(), {"--codec", GetParam()});
    return options;
  }

  static bool StateIs(const std::string& state) {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_state", {{"state", state}}) == 1;
  }

  std::unique_ptr<TrafficGenerator> generator_;
};

TEST_P(RateControl, SquashedTrafficComesOutAsItWentIn) {
  TrafficOptions options;
  options.packet_bytes = 500;
  options.compressible = true;
  ASSERT_NO_FATAL_FAILURE(OpenGenerator(options));
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender(SenderOptions({"--lwm", "1MiB/s", "--hwm", "100MiB/s"}));
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(WaitUntilHeard());
  generator_->StartSending(10'000);
  ASSERT_TRUE(WaitUntil([] { return StateIs("squash"); }));
  const uint64_t since = generator_->sent();
  ASSERT_TRUE(WaitUntil([&] { return generator_->sent() > since + 20'000; }));
  generator_->Stop();

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_EQ(outcome.receiver.received, generator_->sent());
  const auto metric = [](const std::string& name) {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_" + name);
  };
  EXPECT_GE(metric("squashed_packets_total"), 20'000);
  // By how much depends on the effort that the machine has left for it.
  EXPECT_GT(metric("squash_input_bytes_total"), metric("squash_output_bytes_total"));
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options);
  AddCapture(reader.captures().at(0), false, &checker);
  EXPECT_EQ(checker.foreign(), 0u);
  EXPECT_EQ(checker.duplicates(), 0u);
  EXPECT_EQ(checker.out_of_order(), 0u);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()), 0u);
}

// The packets of a sender's frames, as the far end of the wire sees them.
struct WireView {
  uint64_t packets = 0;
  uint64_t data_frames = 0;
  uint64_t packed_frames = 0;
  uint32_t largest_packed = 0;   // before it was packed
  Nanoseconds longest_wait = 0;  // capture to arrival
};

WireView Examine(const std::vector<ArrivedFrame>& frames) {
  const SystemClock clock;
  SenderTable senders(16, &clock);
  ReceiverStats stats;
  FrameDecoder decoder(&senders, &stats);
  FramePool pool(kFrameTarget);
  WireView view;
  for (const ArrivedFrame& arrived : frames) {
    const HeaderFields header = ReadHeader(arrived.bytes);
    if ((header.flags & kControlFlag) != 0) {
      continue;
    }
    ++view.data_frames;
    if (header.codec != 0) {
      ++view.packed_frames;
      view.largest_packed = std::max(view.largest_packed, header.raw_length);
    }
    Frame message = pool.Allocate(arrived.bytes.size());
    std::copy(arrived.bytes.begin(), arrived.bytes.end(), message.data());
    std::vector<RecordBlockPtr> blocks;
    decoder.Decode(std::move(message), &blocks);
    for (const RecordBlockPtr& block : blocks) {
      view.packets += block->packet_count;
      view.longest_wait = std::max(view.longest_wait, arrived.arrival - block->oldest_timestamp);
    }
  }
  EXPECT_EQ(stats.rejected_frames.Total(), 0u);
  return view;
}

TEST_P(RateControl, SquashedFramesHoldAtMost64KiB) {
  TrafficOptions options;
  options.packet_bytes = 1400;
  options.compressible = true;
  ASSERT_NO_FATAL_FAILURE(OpenGenerator(options));
  WirePull pull(kDataPort);
  sender_ = StartSender(SenderOptions({"--lwm", "1MiB/s"}));
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(WaitUntil([&] { return pull.arrived() > 0; })) << "nothing came over the wire";
  generator_->StartSending(10'000);
  ASSERT_TRUE(WaitUntil([] { return StateIs("squash"); }));
  const uint64_t since = generator_->sent();
  ASSERT_TRUE(WaitUntil([&] { return generator_->sent() > since + 10'000; }));
  generator_->Stop();
  ASSERT_TRUE(WaitUntil([&] { return pull.packets() == generator_->sent(); })) << pull.packets();
  pull.Stop();
  const WireView view = Examine(pull.frames());
  EXPECT_EQ(view.packets, generator_->sent());
  EXPECT_GT(view.packed_frames, 0u);
  EXPECT_LE(view.largest_packed, kFrameTarget);
  EXPECT_GT(view.largest_packed, kFrameTarget / 2) << "frames are filled";
}

TEST_P(RateControl, NoSquashedPacketWaitsLongerThanTheLingerAndTwentyMilliseconds) {
  // Little traffic over a low watermark: a frame fills in two seconds, so it is the linger that
  // sends it.
  TrafficOptions options;
  ASSERT_NO_FATAL_FAILURE(OpenGenerator(options));
  for (const int linger_ms : {50, 400}) {
    WirePull pull(kDataPort);
    sender_ = StartSender(
        SenderOptions({"--lwm", "10KiB/s", "--squash-linger", std::to_string(linger_ms) + "ms"}));
    ASSERT_NE(sender_, nullptr);
    ASSERT_TRUE(WaitUntil([&] { return pull.arrived() > 0; })) << "nothing came over the wire";
    const uint64_t before = generator_->sent();
    SchedulingWitness witness;
    generator_->Send(900, 300);
    ASSERT_TRUE(WaitUntil([&] { return pull.packets() == generator_->sent() - before; }));
    const Nanoseconds noise = witness.Stop();
    EXPECT_TRUE(StateIs("squash"));
    Terminate(sender_.get());
    pull.Stop();
    const WireView view = Examine(pull.frames());
    const Nanoseconds linger = linger_ms * kNanosPerMilli;
    std::printf("linger %d ms: longest wait %.1f ms in %llu frames, the machine was late by %.1f\n",
                linger_ms, static_cast<double>(view.longest_wait) / kNanosPerMilli,
                static_cast<unsigned long long>(view.data_frames),
                static_cast<double>(noise) / kNanosPerMilli);
    EXPECT_LE(view.longest_wait, linger + 20 * kNanosPerMilli + kHandOvers * noise);
    EXPECT_GT(view.longest_wait, linger / 2) << "packets wait for others";
    EXPECT_LT(view.data_frames, view.packets / 4);
  }
}

TEST_P(RateControl, SheddingKeepsTheWireAtTheHighWatermark) {
  constexpr uint64_t kHigh = 4 << 20;
  constexpr size_t kWindow = 10;  // slots of a second
  TrafficOptions options;
  options.packet_bytes = 1400;
  ASSERT_NO_FATAL_FAILURE(OpenGenerator(options));
  auto tap = WireTap::Start(kDataPort + 1, kDataPort);
  ASSERT_TRUE(tap.ok()) << tap.error().message;
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender(SenderOptions({"--lwm", "1MiB/s", "--hwm", "4MiB/s"}), "0,1",
                        {TcpEndpoint(kDataPort + 1)});
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(WaitUntilHeard());
  generator_->StartSending(15'000);
  ASSERT_TRUE(WaitUntil([] { return StateIs("shed"); }));
  // Two windows to become steady, and four to judge.
  const size_t first = tap.value()->Slots().size() + 2 * kWindow;
  const size_t last = first + 4 * kWindow;
  ASSERT_TRUE(WaitUntil([&] { return tap.value()->Slots().size() >= last; }));
  EXPECT_TRUE(StateIs("shed"));
  const std::vector<uint64_t> slots = tap.value()->Slots();
  generator_->Stop();

  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  for (size_t begin = first; begin + kWindow <= last; ++begin) {
    uint64_t window = 0;
    for (size_t slot = begin; slot < begin + kWindow; ++slot) {
      window += slots[slot];
      EXPECT_GT(slots[slot] + slots[slot == begin ? slot + 1 : slot - 1], 0u);
    }
    least = std::min(least, window);
    most = std::max(most, window);
  }
  std::printf("windows carry %.3f to %.3f MiB\n", static_cast<double>(least) / (1 << 20),
              static_cast<double>(most) / (1 << 20));
  // An instrumented program on a busy machine may be held up for parts of a window.
  EXPECT_GE(least, kHigh - kHigh / (kSanitized ? 2 : 10));
  EXPECT_LE(most, kHigh + kHigh / 10);

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_GT(outcome.sender.dropped, 0u);
  EXPECT_EQ(
      Metric(kSenderMetricsPort, "pcap_zmq_sender_dropped_packets_total", {{"reason", "shed"}}),
      static_cast<double>(outcome.sender.dropped));
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options);
  AddCapture(reader.captures().at(0), false, &checker);
  EXPECT_EQ(checker.foreign(), 0u);
  EXPECT_EQ(checker.duplicates(), 0u);
  EXPECT_EQ(checker.out_of_order(), 0u);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()),
            generator_->sent() - outcome.logged + outcome.sender.kernel_lost +
                outcome.sender.dropped + outcome.receiver.lost);
}

INSTANTIATE_TEST_SUITE_P(WithCodec, RateControl, ::testing::Values("zlib", "zstd"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace pcap_zmq::testing
