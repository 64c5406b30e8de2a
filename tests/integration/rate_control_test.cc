// SPDX-License-Identifier: MIT
//
// Between the watermarks packets are merged and compressed, above them the excess is dropped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/stats.h"
#include "codec/frame_decoder.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"
#include "tests/support/wire_tap.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kFrameTarget = 65536;

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
  static double Squashed() {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_squashed_packets_total");
  }

  // How many packets the sender has sent, once it has captured and sent all that were logged since
  // it began.
  uint64_t WaitUntilAllIsSent() {
    RevealKernelLosses(generator_.get());
    const uint64_t logged = Logged(*generator_) - logged_before_;
    SenderLedger ledger;
    EXPECT_TRUE(WaitUntil([&] {
      ledger = ReadSender();
      return ledger.Settled(logged);
    })) << ledger.Text()
        << ", " << logged << " logged";
    logged_before_ += logged;
    return ledger.sent;
  }

  // Everything that was logged, and neither lost nor dropped, came out of the FIFO as it went in.
  void ExpectOutAsItWentIn(const Outcome& outcome, const FifoReader& reader) const {
    MarkChecker checker(generator_->options());
    AddCapture(reader.captures().at(0), false, &checker);
    EXPECT_EQ(checker.foreign(), 0u);
    EXPECT_EQ(checker.duplicates(), 0u);
    EXPECT_EQ(checker.out_of_order(), 0u);
    EXPECT_EQ(checker.Missing(generator_->sent_by_flow()),
              generator_->sent() - outcome.logged + outcome.sender.kernel_lost +
                  outcome.sender.dropped + outcome.receiver.gone());
  }

  std::unique_ptr<TrafficGenerator> generator_;
  uint64_t logged_before_ = 0;  // by what earlier senders have sent
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
  ASSERT_TRUE(WaitUntil([] { return Squashed() >= 20'000; }));
  generator_->Stop();

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_EQ(outcome.sender.dropped, 0u);
  const auto metric = [](const std::string& name) {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_" + name);
  };
  // By how much depends on the effort that the machine has left for it.
  EXPECT_GT(metric("squash_input_bytes_total"), metric("squash_output_bytes_total"));
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  ExpectOutAsItWentIn(outcome, reader);
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
  ASSERT_TRUE(WaitUntil([] { return Squashed() >= 10'000; }));
  generator_->Stop();
  const uint64_t sent = WaitUntilAllIsSent();
  ASSERT_TRUE(WaitUntil([&] { return pull.packets() == sent; }))
      << pull.packets() << " of " << sent;
  pull.Stop();
  const WireView view = Examine(pull.frames());
  EXPECT_EQ(view.packets, sent);
  EXPECT_GT(view.packed_frames, 0u);
  EXPECT_LE(view.largest_packed, kFrameTarget);
  EXPECT_GT(view.largest_packed, kFrameTarget / 2) << "frames are filled";
}

// SenderPumpTest.APacketWaitsForTheLingerAndNoLonger has the bound, in time that the test owns; how
// long it takes over a real wire is printed.
TEST_P(RateControl, SquashedPacketsWaitForOthersUntilTheLingerSendsThem) {
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
    generator_->Send(900, 300);
    const uint64_t sent = WaitUntilAllIsSent();
    ASSERT_TRUE(WaitUntil([&] { return pull.packets() == sent; }))
        << pull.packets() << " of " << sent;
    EXPECT_GT(Squashed(), 0);
    Terminate(sender_.get());
    pull.Stop();
    const WireView view = Examine(pull.frames());
    const Nanoseconds linger = linger_ms * kNanosPerMilli;
    std::printf("linger %d ms: longest wait %.1f ms in %llu frames\n", linger_ms,
                static_cast<double>(view.longest_wait) / kNanosPerMilli,
                static_cast<unsigned long long>(view.data_frames));
    EXPECT_GT(view.longest_wait, linger / 2) << "packets wait for others";
    EXPECT_LT(view.data_frames, view.packets / 4);
  }
}

// SenderPumpTest.AboveTheHighWatermarkOnlyTheExcessIsShed says how near the wire comes to it, in
// time that the test owns; what a real one carries is printed.
TEST_P(RateControl, SheddingKeepsTheWireBelowTheHighWatermarkAndCountsWhatItDrops) {
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
  const size_t first = tap.value()->Slots().size();
  generator_->StartSending(15'000);
  ASSERT_TRUE(WaitUntil([] { return StateIs("shed"); }));
  // Two windows to become steady, and four to show.
  const size_t steady = tap.value()->Slots().size() + 2 * kWindow;
  const size_t last = steady + 4 * kWindow;
  ASSERT_TRUE(WaitUntil([&] { return tap.value()->Slots().size() >= last; }));
  const std::vector<uint64_t> slots = tap.value()->Slots();
  generator_->Stop();

  const auto carried = [&slots](size_t from, size_t to) {
    return std::accumulate(slots.begin() + static_cast<ptrdiff_t>(from),
                           slots.begin() + static_cast<ptrdiff_t>(to), uint64_t{0});
  };
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  for (size_t begin = steady; begin + kWindow <= last; ++begin) {
    least = std::min(least, carried(begin, begin + kWindow));
    most = std::max(most, carried(begin, begin + kWindow));
  }
  std::printf("windows carry %.3f to %.3f MiB\n", static_cast<double>(least) / (1 << 20),
              static_cast<double>(most) / (1 << 20));
  // What is held up comes later at once, so all of it is judged together, with a window's worth
  // for where load sets in.
  EXPECT_LE(carried(first, last), kHigh * (last - first + kWindow) / kWindow);

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_GT(outcome.sender.dropped, 0u);
  EXPECT_EQ(
      Metric(kSenderMetricsPort, "pcap_zmq_sender_dropped_packets_total", {{"reason", "shed"}}),
      static_cast<double>(outcome.sender.dropped));
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  ExpectOutAsItWentIn(outcome, reader);
}

INSTANTIATE_TEST_SUITE_P(WithCodec, RateControl, ::testing::Values("zlib", "zstd"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace pcap_zmq::testing
