// SPDX-License-Identifier: MIT
#include "metrics/exposition.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/metrics/scrape.h"

namespace pcap_zmq {
namespace {

using testing::Scrape;

std::string Written(uint64_t value) {
  Exposition exposition;
  exposition.Add(Metric::kSenderSentBytes, {}, value);
  return Scrape(exposition.Text()).samples.at("pcap_zmq_sender_sent_bytes_total");
}

TEST(Exposition, CountsUpTo2To53AreWrittenToTheLastDigit) {
  EXPECT_EQ(Written(0), "0");
  EXPECT_EQ(Written(999'999), "999999");
  EXPECT_EQ(Written(1'000'001), "1000001");
  EXPECT_EQ(Written(12'345'678'901), "12345678901");
  EXPECT_EQ(Written((uint64_t{1} << 53) - 1), "9007199254740991");
}

TEST(Exposition, CountsBeyond2To53AreWrittenApproximately) {
  EXPECT_DOUBLE_EQ(std::stod(Written(std::numeric_limits<uint64_t>::max())), 1.8446744073709552e19);
}

TEST(Exposition, HistogramIsCumulatedWithBoundsInSeconds) {
  LatencyHistogram histogram;
  histogram.Observe(10 * kNanosPerMicro, 1);
  histogram.Observe(30 * kNanosPerMicro, 2);
  histogram.Observe(60 * kNanosPerSecond, 3);
  Exposition exposition;
  exposition.Add(Metric::kSenderCaptureToSend, {}, histogram);
  const Scrape scrape(exposition.Text());

  const std::string name = "pcap_zmq_sender_capture_to_send_seconds";
  EXPECT_EQ(scrape.samples.at(name + "_bucket{le=\"2e-05\"}"), "1");
  EXPECT_EQ(scrape.samples.at(name + "_bucket{le=\"5e-05\"}"), "3");
  EXPECT_EQ(scrape.samples.at(name + "_bucket{le=\"0.0001\"}"), "3");
  EXPECT_EQ(scrape.samples.at(name + "_bucket{le=\"0.1\"}"), "3");
  EXPECT_EQ(scrape.samples.at(name + "_bucket{le=\"30\"}"), "3");
  EXPECT_EQ(scrape.samples.at(name + "_bucket{le=\"+Inf\"}"), "6");
  EXPECT_EQ(scrape.samples.at(name + "_count"), "6");
  EXPECT_DOUBLE_EQ(std::stod(scrape.samples.at(name + "_sum")), 180.00007);
  EXPECT_EQ(scrape.samples.size(), LatencyHistogram::kBounds.size() + 3);
}

TEST(Exposition, ValuesOfTheSameLabelsAreMergedByTheMetricsRule) {
  Exposition exposition;
  for (const double value : {2.0, 3.0, 1.0}) {
    exposition.Add(Metric::kSenderHeldPackets, {}, value);
    exposition.Add(Metric::kSenderNflogThreshold, {}, value);
    exposition.Add(Metric::kReportedLastHeard, {"a"}, value);
  }
  const Scrape scrape(exposition.Text());
  EXPECT_EQ(scrape.samples.at("pcap_zmq_sender_held_packets"), "6");
  EXPECT_EQ(scrape.samples.at("pcap_zmq_sender_nflog_threshold_packets"), "3");
  EXPECT_EQ(scrape.samples.at("pcap_zmq_receiver_sender_last_heard_seconds{sender=\"a\"}"), "1");
}

TEST(Exposition, LabelsThatAreNotUtf8AreReplacedRatherThanBreakTheScrape) {
  Exposition exposition;
  exposition.Add(Metric::kReceiverSinkReopens, {"/tmp/\xff.pcap"}, uint64_t{1});
  const Scrape scrape(exposition.Text());
  EXPECT_EQ(
      scrape.samples.count("pcap_zmq_receiver_sink_reopens_total{sink=\"/tmp/\xef\xbf\xbd.pcap\"}"),
      1U);
}

TEST(Exposition, WithoutValuesItIsEmpty) {
  EXPECT_EQ(Exposition().Text(), "");
}

}  // namespace
}  // namespace pcap_zmq
