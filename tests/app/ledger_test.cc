// SPDX-License-Identifier: MIT
#include "app/ledger.h"

#include <gtest/gtest.h>

#include "app/version.h"
#include "codec/control_frame.h"

namespace pcap_zmq {
namespace {

// A pump whose numbers are all different.
void Fill(PumpStats* pump, uint64_t scale) {
  pump->sources.emplace_back("nflog:0");
  pump->sources.emplace_back("nflog:1");
  pump->sources[0].captured_packets.Add(1000 * scale);
  pump->sources[1].captured_packets.Add(500 * scale);
  pump->sources[0].kernel_lost_packets.Add(3 * scale);
  pump->sources[1].kernel_lost_packets.Add(4 * scale);
  pump->sent_packets.Add(1200 * scale);
  pump->sent_bytes.Add(77'000 * scale);
  pump->held_packets.Set(static_cast<int64_t>(20 * scale));
  pump->buffered_packets.Set(static_cast<int64_t>(80 * scale));
  pump->dropped.Add(DropReason::kShed, 150 * scale);
  pump->dropped.Add(DropReason::kZmqHwm, 50 * scale);
  pump->rate_bytes_per_second.Set(static_cast<int64_t>(9000 * scale));
}

TEST(SenderLedger, SumsAllPumpsAndTheirSources) {
  PumpStats first;
  PumpStats second;
  Fill(&first, 1);
  Fill(&second, 10);
  first.state.Set(static_cast<int64_t>(ShaperState::kShed));
  second.state.Set(static_cast<int64_t>(ShaperState::kSquash));
  const SenderLedger ledger = SumLedger(std::vector<const PumpStats*>{&first, &second});
  EXPECT_EQ(ledger.captured, 16'500U);
  EXPECT_EQ(ledger.kernel_lost, 77U);
  EXPECT_EQ(ledger.sent, 13'200U);
  EXPECT_EQ(ledger.sent_bytes, 847'000U);
  EXPECT_EQ(ledger.held, 220U);
  EXPECT_EQ(ledger.buffered, 880U);
  EXPECT_EQ(ledger.dropped[static_cast<size_t>(DropReason::kShed)], 1650U);
  EXPECT_EQ(ledger.dropped[static_cast<size_t>(DropReason::kZmqHwm)], 550U);
  EXPECT_EQ(ledger.dropped[static_cast<size_t>(DropReason::kShutdown)], 0U);
  EXPECT_EQ(ledger.rate_bytes_per_second, 99'000U);
  EXPECT_EQ(ledger.state, ShaperState::kShed) << "the severest";
}

TEST(SenderLedger, WithoutPumpsEverythingIsZero) {
  const SenderLedger ledger = SumLedger(std::vector<const PumpStats*>{});
  EXPECT_EQ(Summary(ledger), "captured 0 packets, sent 0, dropped 0, lost in the kernel 0");
  EXPECT_EQ(ledger.state, ShaperState::kPass);
}

TEST(SenderLedger, TheSummaryNamesTheReasonsThatOccurred) {
  PumpStats pump;
  Fill(&pump, 1);
  EXPECT_EQ(Summary(SumLedger(std::vector<const PumpStats*>{&pump})),
            "captured 1500 packets, sent 1200, dropped 200 (shed 150, zmq_hwm 50), lost in the "
            "kernel 7");
}

TEST(SenderLedger, TheControlPayloadTellsAReceiverEverything) {
  PumpStats pump;
  Fill(&pump, 1);
  pump.state.Set(static_cast<int64_t>(ShaperState::kSquash));
  const std::string payload =
      ControlPayload("gw1", 4711, SumLedger(std::vector<const PumpStats*>{&pump}), 12'345'678);
  const auto report = ParseControl(std::vector<uint8_t>(payload.begin(), payload.end()));
  ASSERT_TRUE(report.has_value()) << payload;
  EXPECT_EQ(report->name, "gw1");
  EXPECT_EQ(report->version, kVersion);
  EXPECT_EQ(report->totals.captured_packets, 1500U);
  EXPECT_EQ(report->totals.sent_packets, 1200U);
  EXPECT_EQ(report->totals.sent_bytes, 77'000U);
  EXPECT_EQ(report->instance, 4711U);
  EXPECT_EQ(report->totals.kernel_lost_packets, 7U);
  EXPECT_EQ(report->totals.rate_bytes_per_second, 9000U);
  EXPECT_EQ(report->totals.state, ShaperState::kSquash);
  EXPECT_EQ(report->totals.dropped_packets[static_cast<size_t>(DropReason::kShed)], 150U);
  EXPECT_EQ(report->totals.dropped_packets[static_cast<size_t>(DropReason::kZmqHwm)], 50U);
}

TEST(SenderLedger, AnInstanceIsANumberThatEveryReaderOfJsonHoldsExactly) {
  const uint64_t one = RandomInstance();
  EXPECT_NE(one, RandomInstance());
  EXPECT_GT(one, 0U);
  EXPECT_LT(one, uint64_t{1} << 53);
}

TEST(ReceiverLedger, SumsAllSenders) {
  SenderSnapshot first;
  first.packets = 100;
  first.lost_packets = 5;
  first.late_packets = 3;
  first.unseen_packets = 7;
  SenderSnapshot second = first;
  second.packets = 1000;
  const ReceiverLedger ledger = SumLedger(std::vector<SenderSnapshot>{first, second});
  EXPECT_EQ(ledger.received, 1100U);
  EXPECT_EQ(ledger.lost, 10U);
  EXPECT_EQ(ledger.late, 6U);
  EXPECT_EQ(ledger.unseen, 14U);
}

TEST(ReceiverLedger, TheSummaryHasAPartForEachOutput) {
  SinkStats fifo("/run/snort.pcap");
  fifo.delivered_packets.Add(90);
  fifo.dropped.Add(SinkDropReason::kShutdown, 6);
  fifo.dropped.Add(SinkDropReason::kQueueFull, 4);
  SinkStats file("file:a.pcap");
  file.delivered_packets.Add(100);
  const ReceiverLedger ledger{.received = 100, .lost = 2, .unseen = 1};
  EXPECT_EQ(Summary(ledger, {&fifo, &file}),
            "received 100 packets, lost 2 in transit; /run/snort.pcap: delivered 90, dropped 10 "
            "(queue_full 4, shutdown 6); file:a.pcap: delivered 100, dropped 0");
  EXPECT_EQ(Summary(ledger, {}), "received 100 packets, lost 2 in transit");
  EXPECT_EQ(Summary(ReceiverLedger{.received = 100, .lost = 2, .late = 1}, {}),
            "received 100 packets, lost 2 in transit, 1 came late");
}

TEST(ReceiverLedger, TheSummarySaysHowFarEachStreamCame) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(Summary(std::vector<SenderTable::Position>{}), Lines{});
  EXPECT_EQ(Summary({{"gateway", 10}, {"gateway", 0}, {"other", 7}}),
            Lines{"received up to packet 10 of gateway, 0 of gateway"});  // "other" is anybody
  const Lines many = Summary(std::vector<SenderTable::Position>(65, {"gateway", 5}));
  ASSERT_EQ(many.size(), 3U);
  EXPECT_EQ(many[0].size(), many[1].size());
  EXPECT_EQ(many[2], "received up to packet 5 of gateway");
}

TEST(ReceiverLedger, TheSummarySaysWhereOutputsShareTheFlows) {
  SinkStats first("a");
  first.delivered_packets.Add(60);
  SinkStats second("b");
  second.delivered_packets.Add(40);
  const ReceiverLedger ledger{.received = 100, .lost = 0, .unseen = 0};
  EXPECT_EQ(Summary(ledger, {&first, &second}, OutputMode::kSpread),
            "received 100 packets, lost 0 in transit; flows spread over 2 outputs; a: delivered "
            "60, dropped 0; b: delivered 40, dropped 0");
  EXPECT_EQ(Summary(ledger, {&first}, OutputMode::kSpread),
            "received 100 packets, lost 0 in transit; a: delivered 60, dropped 0");
}

}  // namespace
}  // namespace pcap_zmq
