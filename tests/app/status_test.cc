// SPDX-License-Identifier: MIT
#include "app/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/config_loader.h"
#include "app/version.h"

namespace pcap_zmq {
namespace {

using Json = nlohmann::json;

// The document, checked to be one that ends its line.
Json Parse(const std::string& text) {
  EXPECT_TRUE(text.ends_with("}\n"));
  Json json = Json::parse(text, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << text;
  return json;
}

SenderConfig SomeSenderConfig() {
  SenderConfig config;
  config.source.groups = {0, 1};
  config.endpoints = {"tcp://ids:1234"};
  return config;
}

ReceiverConfig SomeReceiverConfig() {
  ReceiverConfig config;
  config.endpoint = "tcp://0.0.0.0:1234";
  config.outputs.push_back({OutputSpec::Kind::kFifo, "/run/snort.pcap", "/run/snort.pcap"});
  return config;
}

TEST(SenderStatus, HoldsTheLedgerAndARowForEachPump) {
  PumpStats first;
  first.sources.emplace_back("nflog:0");
  first.sources[0].captured_packets.Add(12);
  first.sources[0].captured_bytes.Add(1200);
  first.sources[0].kernel_lost_packets.Add(2);
  first.sent_packets.Add(7);
  first.held_packets.Set(1);
  first.buffered_packets.Set(1);
  first.dropped.Add(DropReason::kShed, 3);
  first.state.Set(static_cast<int64_t>(ShaperState::kShed));
  first.effort.Set(static_cast<int64_t>(SquashEffort::kPlain));
  first.connected_endpoints.Set(1);
  first.endpoints.Post({{"tcp://10.0.0.1:1234", true, 5, 6, 7}});
  PumpStats second;
  second.sources.emplace_back("nflog:1");
  second.endpoints.Post({{"tcp://10.0.0.1:1234", true, 50, 60, 70}});
  const Json status = Parse(SenderStatus(SomeSenderConfig(), {&first, &second}));

  EXPECT_EQ(status["program"], kSenderProgram);
  EXPECT_EQ(status["version"], kVersion);
  const Json& ledger = status["ledger"];
  EXPECT_EQ(ledger["captured"], 12);
  EXPECT_EQ(ledger["kernel_lost"], 2);
  EXPECT_EQ(ledger["sent"], 7);
  EXPECT_EQ(ledger["held"], 1);
  EXPECT_EQ(ledger["buffered"], 1);
  EXPECT_EQ(ledger["dropped"]["shed"], 3);
  EXPECT_EQ(ledger["dropped"].size(), kDropReasonNames.size()) << "every reason, also with 0";
  ASSERT_EQ(status["pumps"].size(), 2U);
  const Json& pump = status["pumps"][0];
  EXPECT_EQ(pump["sources"][0]["source"], "nflog:0");
  EXPECT_EQ(pump["sources"][0]["captured"], 12);
  EXPECT_EQ(pump["sources"][0]["captured_bytes"], 1200);
  EXPECT_EQ(pump["state"], "shed");
  EXPECT_EQ(pump["squash_effort"], "plain");
  EXPECT_EQ(pump["connected_endpoints"], 1);
  ASSERT_EQ(status["endpoints"].size(), 1U);
  const Json& endpoint = status["endpoints"][0];
  EXPECT_EQ(endpoint["endpoint"], "tcp://10.0.0.1:1234");
  EXPECT_EQ(endpoint["connected"], true);
  EXPECT_EQ(endpoint["sent"], 55);
  EXPECT_EQ(endpoint["dropped"], 66);
  EXPECT_EQ(endpoint["buffered"], 77);
  EXPECT_EQ(status["pumps"][1]["state"], "pass");
  EXPECT_EQ(status["pumps"][1]["squash_effort"], "full");
}

TEST(SenderStatus, HoldsTheConfigurationThatPrintConfigPrints) {
  const SenderConfig config = SomeSenderConfig();
  const Json status = Parse(SenderStatus(config, {}));
  EXPECT_EQ(status["config"], Json::parse(EffectiveConfigJson(config)));
  EXPECT_TRUE(status["config"].is_object());
}

TEST(ReceiverStatus, HoldsOutputsAndRejectedFrames) {
  ReceiverStats stats;
  stats.connections.connected_peers.Set(2);
  stats.rejected_frames.Add(RejectReason::kMagic, 9);
  SinkStats sink("/run/snort.pcap");
  sink.delivered_packets.Add(40);
  sink.rewritten_packets.Add(3);
  sink.queued_packets.Set(5);
  sink.reader_attached.Set(1);
  sink.dropped.Add(SinkDropReason::kQueueFull, 6);
  const Json status =
      Parse(ReceiverStatus(SomeReceiverConfig(), "tcp://0.0.0.0:4321", stats, {&sink}, {}));

  EXPECT_EQ(status["program"], kReceiverProgram);
  EXPECT_EQ(status["bound_endpoint"], "tcp://0.0.0.0:4321");
  EXPECT_EQ(status["connected_peers"], 2);
  EXPECT_EQ(status["ledger"]["rejected_frames"]["magic"], 9);
  EXPECT_EQ(status["ledger"]["rejected_frames"].size(), kRejectReasonNames.size());
  ASSERT_EQ(status["outputs"].size(), 1U);
  const Json& output = status["outputs"][0];
  EXPECT_EQ(output["output"], "/run/snort.pcap");
  EXPECT_EQ(output["reader_attached"], true);
  EXPECT_EQ(output["delivered"], 40);
  EXPECT_EQ(output["rewritten"], 3);
  EXPECT_EQ(output["queued"], 5);
  EXPECT_EQ(output["dropped"]["queue_full"], 6);
  EXPECT_EQ(status["config"], Json::parse(EffectiveConfigJson(SomeReceiverConfig())));
  EXPECT_TRUE(status["senders"].is_array());
  EXPECT_TRUE(status["senders"].empty());
}

TEST(ReceiverStatus, HoldsARowForEachSenderWithWhatItSaysOfItself) {
  SenderSnapshot known;
  known.name = "gw1";
  known.version = "0.1.0";
  known.packets = 100;
  known.bytes = 5000;
  known.frames = 10;
  known.lost_packets = 4;
  known.late_packets = 2;
  known.unseen_packets = 1;
  known.seconds_since_heard = 0.5;
  known.has_totals = true;
  known.totals.captured_packets = 200;
  known.totals.sent_packets = 105;
  known.totals.kernel_lost_packets = 2;
  known.totals.state = ShaperState::kSquash;
  known.totals.dropped_packets[static_cast<size_t>(DropReason::kZmqBytes)] = 95;
  SenderSnapshot unnamed;
  unnamed.name = "unnamed";
  unnamed.packets = 3;
  const Json status =
      Parse(ReceiverStatus(SomeReceiverConfig(), "", ReceiverStats(), {}, {known, unnamed}));

  EXPECT_EQ(status["ledger"]["received"], 103);
  EXPECT_EQ(status["ledger"]["lost"], 4);
  EXPECT_EQ(status["ledger"]["late"], 2);
  EXPECT_EQ(status["ledger"]["unseen"], 1);
  ASSERT_EQ(status["senders"].size(), 2U);
  const Json& row = status["senders"][0];
  EXPECT_EQ(row["sender"], "gw1");
  EXPECT_EQ(row["received"], 100);
  EXPECT_EQ(row["received_bytes"], 5000);
  EXPECT_EQ(row["frames"], 10);
  EXPECT_EQ(row["lost"], 4);
  EXPECT_EQ(row["late"], 2);
  EXPECT_EQ(row["unseen"], 1);
  EXPECT_EQ(row["last_heard_seconds"], 0.5);
  EXPECT_EQ(row["version"], "0.1.0");
  EXPECT_EQ(row["captured"], 200);
  EXPECT_EQ(row["sent"], 105);
  EXPECT_EQ(row["kernel_lost"], 2);
  EXPECT_EQ(row["state"], "squash");
  EXPECT_EQ(row["dropped"]["zmq_bytes"], 95);
  EXPECT_FALSE(status["senders"][1].contains("captured")) << "it has said nothing yet";
}

TEST(ReceiverStatus, TextThatIsNotUtf8IsReplacedRatherThanFatal) {
  ReceiverStats stats;
  SinkStats sink("/run/\xff\xfe.pcap");
  const Json status = Parse(ReceiverStatus(SomeReceiverConfig(), "", stats, {&sink}, {}));
  EXPECT_EQ(status["outputs"][0]["output"], "/run/\xef\xbf\xbd\xef\xbf\xbd.pcap");
}

}  // namespace
}  // namespace pcap_zmq
