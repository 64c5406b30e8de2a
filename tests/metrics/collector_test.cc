// SPDX-License-Identifier: MIT
#include "metrics/collector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "metrics/metric_catalog.h"
#include "tests/metrics/scrape.h"

namespace pcap_zmq {
namespace {

using testing::FilledReceiver;
using testing::FilledSender;
using testing::Scrape;

/// The value of a series as it is written; "absent" when it is not there.
std::string Value(const Scrape& scrape, const std::string& series) {
  const auto found = scrape.samples.find(series);
  return found == scrape.samples.end() ? "absent" : found->second;
}

/// `expected` says where a number that is not 0 comes from, for each metric of the program that
/// `prefix` names; so no metric is exported unchecked, and none that always says 0.
void ExpectAllAreNamed(const std::map<std::string, std::string>& expected,
                       const std::string& prefix) {
  for (const MetricSpec& spec : MetricCatalog()) {
    const std::string name(spec.name);
    EXPECT_TRUE(!name.starts_with(prefix) ||
                std::any_of(expected.begin(), expected.end(),
                            [&](const auto& row) {
                              const std::string series = prefix + row.first;
                              return row.second != "0" &&
                                     (series == name || series == name + "_sum" ||
                                      series.starts_with(name + "{") ||
                                      series.starts_with(name + "_sum{"));
                            }))
        << name;
  }
}

TEST(SenderMetrics, ScrapeIsWellFormed) {
  EXPECT_EQ(Scrape(FilledSender().Text()).errors, std::vector<std::string>{});
}

TEST(SenderMetrics, EachCounterAppearsUnderItsOwnName) {
  const Scrape scrape(FilledSender().Text());
  const std::map<std::string, std::string> expected = {
      {"info{name=\"gw1\"}", "1"},
      {"packets_total{source=\"nflog:0\"}", "101"},
      {"bytes_total{source=\"nflog:0\"}", "12345678901"},
      {"kernel_lost_packets_total{source=\"nflog:0\"}", "103"},
      {"packets_total{source=\"nflog:1\"}", "104"},
      {"bytes_total{source=\"nflog:1\"}", "105"},
      {"kernel_lost_packets_total{source=\"nflog:1\"}", "0"},
      {"nflog_overruns_total", "107"},
      {"nflog_truncated_datagrams_total", "108"},
      {"nflog_damaged_records_total", "109"},
      {"nflog_receive_buffer_bytes", "110"},
      {"nflog_threshold_packets", "111"},
      {"dropped_packets_total{reason=\"shed\"}", "112"},
      {"dropped_packets_total{reason=\"shutdown\"}", "113"},
      {"rate_bytes_per_second", "114"},
      {"low_watermark_bytes_per_second", "132"},
      {"high_watermark_bytes_per_second", "133"},
      {"state{state=\"squash\"}", "1"},
      {"squash_effort{effort=\"plain\"}", "1"},
      {"capture_to_send_seconds_sum", "60.00006"},
      {"capture_to_send_seconds_count", "3"},
      {"held_packets", "115"},
      {"sent_packets_total", "116"},
      {"sent_bytes_total", "117"},
      {"sent_frames_total", "118"},
      {"squashed_packets_total", "119"},
      {"squash_input_bytes_total", "120"},
      {"squash_output_bytes_total", "121"},
      {"zmq_hwm_hits_total", "122"},
      {"buffered_bytes", "123"},
      {"buffered_packets", "124"},
      {"connected_endpoints", "125"},
      {"handshake_failures_total", "126"},
      {"endpoint_connected{endpoint=\"tcp://10.0.0.1:1234\"}", "1"},
      {"endpoint_connected{endpoint=\"tcp://10.0.0.2:1234\"}", "0"},
      {"endpoint_sent_packets_total{endpoint=\"tcp://10.0.0.1:1234\"}", "127"},
      {"endpoint_sent_packets_total{endpoint=\"tcp://10.0.0.2:1234\"}", "0"},
      {"endpoint_dropped_packets_total{endpoint=\"tcp://10.0.0.1:1234\"}", "128"},
      {"endpoint_buffered_packets{endpoint=\"tcp://10.0.0.2:1234\"}", "131"},
  };
  for (const auto& [series, value] : expected) {
    EXPECT_EQ(Value(scrape, "pcap_zmq_sender_" + series), value) << series;
  }
  ExpectAllAreNamed(expected, "pcap_zmq_sender_");
}

TEST(SenderMetrics, EveryDropReasonIsPresentAlsoAtZero) {
  const PumpStats pump;
  const Scrape scrape(SenderMetrics({"pcap-zmq-send", "0.1.0"}, {&pump})());
  for (const std::string_view reason : kDropReasonNames) {
    EXPECT_EQ(Value(scrape, "pcap_zmq_sender_dropped_packets_total{reason=\"" +
                                std::string(reason) + "\"}"),
              "0");
  }
}

TEST(SenderMetrics, ExactlyTheCurrentStateAndEffortAreOne) {
  const Scrape scrape(FilledSender().Text());
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_state{state=\"pass\"}"), "0");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_state{state=\"squash\"}"), "1");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_state{state=\"shed\"}"), "0");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_squash_effort{effort=\"full\"}"), "0");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_squash_effort{effort=\"fast\"}"), "0");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_squash_effort{effort=\"plain\"}"), "1");
}

TEST(SenderMetrics, PumpsAreSummedAndTheirStatesShownSideBySide) {
  FilledSender one;
  FilledSender other;
  other.pump.state.Set(static_cast<int64_t>(ShaperState::kShed));
  other.pump.nflog_threshold.Set(7);
  const Scrape scrape(SenderMetrics({"pcap-zmq-send", "0.1.0"}, {&one.pump, &other.pump})());
  EXPECT_EQ(scrape.errors, std::vector<std::string>{});
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_sent_packets_total"), "232");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_packets_total{source=\"nflog:0\"}"), "202");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_dropped_packets_total{reason=\"shed\"}"), "224");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_buffered_bytes"), "246");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_nflog_threshold_packets"), "111");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_state{state=\"pass\"}"), "0");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_state{state=\"squash\"}"), "1");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_state{state=\"shed\"}"), "1");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_capture_to_send_seconds_count"), "6");
}

TEST(SenderMetrics, AnEndpointThatIsGoneIsNoSeriesAnyMore) {
  FilledSender sender;
  const MetricsSource source = SenderMetrics({"pcap-zmq-send", "0.1.0"}, {&sender.pump});
  const std::string series =
      "pcap_zmq_sender_endpoint_sent_packets_total{endpoint=\"tcp://10.0.0.1:1234\"}";
  EXPECT_EQ(Value(Scrape(source()), series), "127");
  sender.pump.endpoints.Post({{"tcp://10.0.0.2:1234", true, 1, 2, 3}});
  EXPECT_EQ(Value(Scrape(source()), series), "absent");
}

TEST(SenderMetrics, EndpointsOfSeveralPumpsAreSummedAndConnectedWhereAllAre) {
  FilledSender one;
  FilledSender other;
  other.pump.endpoints.Post({{"tcp://10.0.0.1:1234", false, 1000, 0, 0}});
  const Scrape scrape(SenderMetrics({"pcap-zmq-send", "0.1.0"}, {&one.pump, &other.pump})());
  const std::string label = "{endpoint=\"tcp://10.0.0.1:1234\"}";
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_endpoint_sent_packets_total" + label), "1127");
  EXPECT_EQ(Value(scrape, "pcap_zmq_sender_endpoint_connected" + label), "0");
  EXPECT_EQ(scrape.errors, std::vector<std::string>{});
}

TEST(SenderMetrics, EachScrapeReadsTheCountersAnew) {
  FilledSender sender;
  const MetricsSource source = SenderMetrics({"pcap-zmq-send", "0.1.0"}, {&sender.pump});
  EXPECT_EQ(Value(Scrape(source()), "pcap_zmq_sender_sent_packets_total"), "116");
  sender.pump.sent_packets.Add(4);
  EXPECT_EQ(Value(Scrape(source()), "pcap_zmq_sender_sent_packets_total"), "120");
}

TEST(SenderMetrics, ScrapesWhileThePumpCountsNeverGoBack) {
  FilledSender sender;
  std::atomic<bool> enough = false;
  std::thread pump([&] {
    while (!enough) {
      sender.pump.sent_packets.Add(1);
      sender.pump.capture_to_send.Observe(kNanosPerMilli, 1);
    }
  });
  const MetricsSource source = SenderMetrics({"pcap-zmq-send", "0.1.0"}, {&sender.pump});
  double packets = 0;
  for (int i = 0; i < 50; ++i) {
    const Scrape scrape(source());
    const double now = std::stod(Value(scrape, "pcap_zmq_sender_sent_packets_total"));
    EXPECT_GE(now, packets);
    packets = now;
    // The count of a histogram is that of its last bucket, also when it is read in motion.
    EXPECT_EQ(Value(scrape, "pcap_zmq_sender_capture_to_send_seconds_count"),
              Value(scrape, "pcap_zmq_sender_capture_to_send_seconds_bucket{le=\"+Inf\"}"));
  }
  enough = true;
  pump.join();
  EXPECT_EQ(std::stod(Value(Scrape(source()), "pcap_zmq_sender_sent_packets_total")),
            static_cast<double>(sender.pump.sent_packets.Value()));
}

TEST(SenderMetrics, BuildInfoNamesProgramAndVersion) {
  EXPECT_EQ(Value(Scrape(FilledSender().Text()),
                  "pcap_zmq_build_info{version=\"0.1.0\",program=\"pcap-zmq-send\"}"),
            "1");
}

TEST(ReceiverMetrics, ScrapeIsWellFormed) {
  EXPECT_EQ(Scrape(FilledReceiver().Text()).errors, std::vector<std::string>{});
}

TEST(ReceiverMetrics, EachCounterAppearsUnderItsOwnName) {
  const Scrape scrape(FilledReceiver().Text());
  const std::string fifo = "{sink=\"/run/snort.pcap\"}";
  const std::string gateway = "{sender=\"gateway\"}";
  const std::map<std::string, std::string> expected = {
      {"rejected_frames_total{reason=\"magic\"}", "201"},
      {"rejected_frames_total{reason=\"too_short\"}", "0"},
      {"received_bytes_total", "202"},
      {"connected_peers", "203"},
      {"disconnects_total", "204"},
      {"refused_connections_total{reason=\"unknown_key\"}", "223"},
      {"refused_connections_total{reason=\"protocol\"}", "0"},
      {"authorized_keys", "224"},
      {"memory_bytes{holder=\"transport\"}", "225"},
      {"memory_bytes{holder=\"inbox\"}", "226"},
      {"memory_bytes{holder=\"queues\"}", "227"},
      {"memory_limit_bytes", "228"},
      {"output_mode{mode=\"copy\"}", "0"},
      {"output_mode{mode=\"spread\"}", "1"},
      {"sink_packets_total" + fifo, "205"},
      {"sink_bytes_total" + fifo, "206"},
      {"sink_rewritten_packets_total" + fifo, "207"},
      {"sink_dropped_packets_total{sink=\"/run/snort.pcap\",reason=\"write_error\"}", "208"},
      {"sink_dropped_packets_total{sink=\"/run/snort.pcap\",reason=\"queue_full\"}", "0"},
      {"sink_queued_packets" + fifo, "209"},
      {"sink_reader_attached" + fifo, "1"},
      {"sink_reader_attached{sink=\"file:/var/lib/trace.pcap\"}", "0"},
      {"sink_reopens_total" + fifo, "210"},
      {"sink_blocked_seconds_total" + fifo, "2.5"},
      {"delivery_seconds_count" + fifo, "4"},
      {"delivery_seconds_sum" + fifo, "0.012"},
      {"frames_total" + gateway, "211"},
      {"packets_total" + gateway, "212"},
      {"bytes_total" + gateway, "213"},
      {"lost_packets_total" + gateway, "214"},
      {"late_packets_total" + gateway, "103"},
      {"shifted_packets_total" + gateway, "104"},
      {"sender_clock_offset_seconds" + gateway, "-1.5"},
      {"unseen_packets_total" + gateway, "215"},
      {"sender_captured_packets_total" + gateway, "216"},
      {"sender_sent_packets_total" + gateway, "217"},
      {"sender_sent_bytes_total" + gateway, "218"},
      {"sender_kernel_lost_packets_total" + gateway, "219"},
      {"sender_rate_bytes_per_second" + gateway, "220"},
      {"sender_dropped_packets_total{sender=\"gateway\",reason=\"zmq_hwm\"}", "221"},
      {"sender_dropped_packets_total{sender=\"gateway\",reason=\"shed\"}", "0"},
      {"sender_state{sender=\"gateway\",state=\"pass\"}", "0"},
      {"sender_state{sender=\"gateway\",state=\"squash\"}", "0"},
      {"sender_state{sender=\"gateway\",state=\"shed\"}", "1"},
      {"sender_last_heard_seconds" + gateway, "0.25"},
  };
  for (const auto& [series, value] : expected) {
    EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_" + series), value) << series;
  }
  ExpectAllAreNamed(expected, "pcap_zmq_receiver_");
}

TEST(ReceiverMetrics, SenderWithoutControlFrameHasNoReportedTotals) {
  const Scrape scrape(FilledReceiver().Text());
  EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_frames_total{sender=\"legacy\"}"), "222");
  EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_sender_last_heard_seconds{sender=\"legacy\"}"), "0");
  EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_sender_sent_packets_total{sender=\"legacy\"}"),
            "absent");
}

TEST(ReceiverMetrics, SendersOfTheSameNameBecomeOneSeries) {
  FilledReceiver receiver;
  receiver.senders.push_back(receiver.senders.front());
  receiver.senders.back().seconds_since_heard = 9;
  const Scrape scrape(receiver.Text());
  EXPECT_EQ(scrape.errors, std::vector<std::string>{});
  EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_frames_total{sender=\"gateway\"}"), "422");
  EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_sender_last_heard_seconds{sender=\"gateway\"}"),
            "0.25");
}

TEST(ReceiverMetrics, HostileSenderNameStaysInsideItsLabel) {
  FilledReceiver receiver;
  receiver.senders[0].name = "a\"} 1\nevil_total{x=\"\\";
  const Scrape scrape(receiver.Text());
  EXPECT_EQ(scrape.errors, std::vector<std::string>{});
  EXPECT_EQ(scrape.types.count("evil_total"), 0U);
  EXPECT_EQ(Value(scrape,
                  "pcap_zmq_receiver_frames_total{sender="
                  "\"a\\\"} 1\\nevil_total{x=\\\"\\\\\"}"),
            "211");
}

TEST(ReceiverMetrics, WithoutSendersTheirMetricsAreLeftOut) {
  FilledReceiver receiver;
  receiver.senders.clear();
  const Scrape scrape(receiver.Text());
  EXPECT_EQ(scrape.types.count("pcap_zmq_receiver_frames_total"), 0U);
  EXPECT_EQ(Value(scrape, "pcap_zmq_receiver_connected_peers"), "203");
}

}  // namespace
}  // namespace pcap_zmq
