// SPDX-License-Identifier: MIT
#include "tests/support/ledger.h"

#include <gtest/gtest.h>

namespace pcap_zmq::testing {
namespace {

constexpr std::string_view kSender =
    "pcap_zmq_sender_packets_total{source=\"nflog:0\"} 60\n"
    "pcap_zmq_sender_packets_total{source=\"nflog:1\"} 40\n"
    "pcap_zmq_sender_kernel_lost_packets_total{source=\"nflog:0\"} 5\n"
    "pcap_zmq_sender_sent_packets_total 76\n"
    "pcap_zmq_sender_dropped_packets_total{reason=\"shed\"} 10\n"
    "pcap_zmq_sender_dropped_packets_total{reason=\"zmq_hwm\"} 7\n"
    "pcap_zmq_sender_held_packets 3\n"
    "pcap_zmq_sender_buffered_packets 4\n";

constexpr std::string_view kReceiver =
    "pcap_zmq_receiver_packets_total{sender=\"a\"} 70\n"
    "pcap_zmq_receiver_unseen_packets_total{sender=\"a\"} 6\n"
    "pcap_zmq_receiver_lost_packets_total{sender=\"a\"} 9\n"
    "pcap_zmq_receiver_late_packets_total{sender=\"a\"} 5\n"
    "pcap_zmq_receiver_sink_packets_total{sink=\"/f\"} 69\n"
    "pcap_zmq_receiver_sink_dropped_packets_total{sink=\"/f\",reason=\"shutdown\"} 1\n"
    "pcap_zmq_receiver_sink_queued_packets{sink=\"/f\"} 0\n";

MetricsSnapshot Parse(std::string_view text) {
  auto metrics = MetricsSnapshot::Parse(text);
  EXPECT_TRUE(metrics.ok());
  return metrics.Take();
}

TEST(SenderLedger, ClosesWhenEveryPacketIsSomewhere) {
  const auto ledger = SenderLedger::From(Parse(kSender));
  ASSERT_TRUE(ledger.ok()) << ledger.error().message;
  EXPECT_TRUE(ledger.value().Check(105).ok());
}

TEST(SenderLedger, OnePacketTooFewOrTooManyBreaksTheLaw) {
  auto ledger = SenderLedger::From(Parse(kSender));
  ASSERT_TRUE(ledger.ok());
  EXPECT_FALSE(ledger.value().Check(104).ok());
  EXPECT_FALSE(ledger.value().Check(106).ok());
  ++ledger.value().sent;
  EXPECT_FALSE(ledger.value().Check(105).ok());
}

TEST(SenderLedger, AMissingMetricIsNamed) {
  const auto ledger = SenderLedger::From(Parse("pcap_zmq_sender_packets_total{source=\"x\"} 1\n"));
  ASSERT_FALSE(ledger.ok());
  EXPECT_NE(ledger.error().message.find("kernel_lost"), std::string::npos);
}

TEST(ReceiverLedger, ClosesWhenEveryPacketIsSomewhere) {
  const auto ledger = ReceiverLedger::From(Parse(kReceiver), "a", "/f");
  ASSERT_TRUE(ledger.ok()) << ledger.error().message;
  EXPECT_TRUE(ledger.value().Check(80).ok());
  EXPECT_TRUE(ledger.value().Settled(80));
  EXPECT_FALSE(ledger.value().Check(81).ok());
  EXPECT_FALSE(ledger.value().Settled(81));
}

TEST(ReceiverLedger, ASenderThatWasNeverHeardHasNothing) {
  const auto ledger = ReceiverLedger::From(Parse(kReceiver), "b", "/f");
  ASSERT_TRUE(ledger.ok());
  EXPECT_EQ(ledger.value().received, 0u);
}

}  // namespace
}  // namespace pcap_zmq::testing
