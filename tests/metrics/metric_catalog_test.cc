// SPDX-License-Identifier: MIT
#include "metrics/metric_catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "tests/metrics/scrape.h"

namespace pcap_zmq {
namespace {

using testing::FilledReceiver;
using testing::FilledSender;
using testing::Scrape;

constexpr std::string_view kContract[] = {
    "pcap_zmq_sender_packets_total{source}",
    "pcap_zmq_sender_bytes_total{source}",
    "pcap_zmq_sender_kernel_lost_packets_total{source}",
    "pcap_zmq_sender_sent_packets_total",
    "pcap_zmq_sender_sent_bytes_total",
    "pcap_zmq_sender_sent_frames_total",
    "pcap_zmq_sender_dropped_packets_total{reason}",
    "pcap_zmq_sender_zmq_hwm_hits_total",
    "pcap_zmq_sender_squashed_packets_total",
    "pcap_zmq_sender_squash_input_bytes_total",
    "pcap_zmq_sender_squash_output_bytes_total",
    "pcap_zmq_sender_rate_bytes_per_second",
    "pcap_zmq_sender_low_watermark_bytes_per_second",
    "pcap_zmq_sender_high_watermark_bytes_per_second",
    "pcap_zmq_sender_state{state}",
    "pcap_zmq_sender_squash_effort{effort}",
    "pcap_zmq_sender_held_packets",
    "pcap_zmq_sender_buffered_packets",
    "pcap_zmq_sender_buffered_bytes",
    "pcap_zmq_sender_connected_endpoints",
    "pcap_zmq_sender_endpoint_connected{endpoint}",
    "pcap_zmq_sender_endpoint_sent_packets_total{endpoint}",
    "pcap_zmq_sender_endpoint_dropped_packets_total{endpoint}",
    "pcap_zmq_sender_endpoint_buffered_packets{endpoint}",
    "pcap_zmq_sender_handshake_failures_total",
    "pcap_zmq_sender_nflog_overruns_total",
    "pcap_zmq_sender_nflog_truncated_datagrams_total",
    "pcap_zmq_sender_nflog_damaged_records_total",
    "pcap_zmq_sender_nflog_receive_buffer_bytes",
    "pcap_zmq_sender_nflog_threshold_packets",
    "pcap_zmq_sender_capture_to_send_seconds",
    "pcap_zmq_receiver_frames_total{sender}",
    "pcap_zmq_receiver_packets_total{sender}",
    "pcap_zmq_receiver_bytes_total{sender}",
    "pcap_zmq_receiver_lost_packets_total{sender}",
    "pcap_zmq_receiver_unseen_packets_total{sender}",
    "pcap_zmq_receiver_rejected_frames_total{reason}",
    "pcap_zmq_receiver_received_bytes_total",
    "pcap_zmq_receiver_connected_peers",
    "pcap_zmq_receiver_disconnects_total",
    "pcap_zmq_receiver_refused_connections_total{reason}",
    "pcap_zmq_receiver_authorized_keys",
    "pcap_zmq_receiver_output_mode{mode}",
    "pcap_zmq_receiver_sink_packets_total{sink}",
    "pcap_zmq_receiver_sink_bytes_total{sink}",
    "pcap_zmq_receiver_sink_rewritten_packets_total{sink}",
    "pcap_zmq_receiver_sink_dropped_packets_total{sink,reason}",
    "pcap_zmq_receiver_sink_queued_packets{sink}",
    "pcap_zmq_receiver_sink_reader_attached{sink}",
    "pcap_zmq_receiver_sink_reopens_total{sink}",
    "pcap_zmq_receiver_sink_blocked_seconds_total{sink}",
    "pcap_zmq_receiver_delivery_seconds{sink}",
    "pcap_zmq_receiver_sender_last_heard_seconds{sender}",
    "pcap_zmq_receiver_sender_captured_packets_total{sender}",
    "pcap_zmq_receiver_sender_kernel_lost_packets_total{sender}",
    "pcap_zmq_receiver_sender_sent_packets_total{sender}",
    "pcap_zmq_receiver_sender_sent_bytes_total{sender}",
    "pcap_zmq_receiver_sender_dropped_packets_total{sender,reason}",
    "pcap_zmq_receiver_sender_rate_bytes_per_second{sender}",
    "pcap_zmq_receiver_sender_state{sender,state}",
    "pcap_zmq_build_info{version,program}",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    "process_threads",
};

std::string Signature(const MetricSpec& spec) {
  std::string signature(spec.name);
  for (size_t i = 0; i < spec.label_count(); ++i) {
    signature += (i == 0 ? "{" : ",") + std::string(spec.label_names[i]);
  }
  return spec.label_count() == 0 ? signature : signature + "}";
}

std::string TypeName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kHistogram:
      return "histogram";
    case MetricKind::kGauge:
      break;
  }
  return "gauge";
}

/// The catalog's rows that the program of this prefix exports.
std::set<std::string> NamesOf(std::string_view prefix) {
  std::set<std::string> names;
  for (const MetricSpec& spec : MetricCatalog()) {
    const bool of_a_program =
        spec.name.starts_with("pcap_zmq_sender_") || spec.name.starts_with("pcap_zmq_receiver_");
    if (!of_a_program || spec.name.starts_with(prefix)) {
      names.emplace(spec.name);
    }
  }
  return names;
}

std::set<std::string> NamesIn(const Scrape& scrape) {
  std::set<std::string> names;
  for (const auto& [name, type] : scrape.types) {
    names.insert(name);
  }
  return names;
}

TEST(MetricCatalog, NamesAndLabelsAreThoseThatDashboardsRelyOn) {
  std::vector<std::string> catalog;
  for (const MetricSpec& spec : MetricCatalog()) {
    catalog.push_back(Signature(spec));
  }
  EXPECT_EQ(catalog, std::vector<std::string>(std::begin(kContract), std::end(kContract)));
}

TEST(MetricCatalog, OnlyCountersEndInTotal) {
  for (const MetricSpec& spec : MetricCatalog()) {
    EXPECT_EQ(spec.name.ends_with("_total"), spec.kind == MetricKind::kCounter) << spec.name;
  }
}

TEST(MetricCatalog, HelpIsOneSentenceThatNeedsNoEscaping) {
  for (const MetricSpec& spec : MetricCatalog()) {
    EXPECT_TRUE(spec.help.ends_with(".")) << spec.name;
    EXPECT_EQ(spec.help.find_first_of("\\\n"), std::string_view::npos) << spec.name;
  }
}

TEST(MetricCatalog, SenderExportsItsMetricsAndNoOthers) {
  EXPECT_EQ(NamesIn(Scrape(FilledSender().Text())), NamesOf("pcap_zmq_sender_"));
}

TEST(MetricCatalog, ReceiverExportsItsMetricsAndNoOthers) {
  EXPECT_EQ(NamesIn(Scrape(FilledReceiver().Text())), NamesOf("pcap_zmq_receiver_"));
}

TEST(MetricCatalog, ScrapeCarriesTypeAndHelpOfTheCatalog) {
  const Scrape sender(FilledSender().Text());
  const Scrape receiver(FilledReceiver().Text());
  for (const MetricSpec& spec : MetricCatalog()) {
    const std::string name(spec.name);
    const Scrape& scrape = sender.types.contains(name) ? sender : receiver;
    ASSERT_TRUE(scrape.types.contains(name)) << name;
    EXPECT_EQ(scrape.types.at(name), TypeName(spec.kind)) << name;
    EXPECT_EQ(scrape.helps.at(name), spec.help) << name;
  }
}

}  // namespace
}  // namespace pcap_zmq
