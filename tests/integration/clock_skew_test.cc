// SPDX-License-Identifier: MIT
//
// Senders whose clocks are off feed one FIFO.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"

namespace pcap_zmq::testing {
namespace {

class ClockSkewTest : public PipeTest {
 protected:
  // A packet with the time of the sender's clock, and before it the report that says what that is.
  static void Send(WirePush* push, uint64_t stream, const std::string& name, Nanoseconds skew) {
    const Nanoseconds theirs = SystemClock().WallNow() + skew;
    const std::string report = R"({"name":")" + name + R"(","captured":1,"sent":1,"clock":)" +
                               std::to_string(theirs / kNanosPerMicro) + "}";
    HeaderFields fields;
    fields.stream_id = stream;
    fields.flags = kControlFlag;
    fields.packet_count = 0;
    fields.raw_length = static_cast<uint32_t>(report.size());
    ASSERT_TRUE(push->Send(
        MakeFrame(fields, {reinterpret_cast<const uint8_t*>(report.data()), report.size()})));
    Bytes records;
    AppendRecord(&records, Ipv4Packet(name), theirs);
    fields.flags = 0;
    fields.packet_count = 1;
    fields.sequence = 1;
    fields.raw_length = static_cast<uint32_t>(records.size());
    ASSERT_TRUE(push->Send(MakeFrame(fields, records)));
  }
};

TEST_F(ClockSkewTest, TheirPacketsGetTheTimesOfTheReceiver) {
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({"--max-clock-skew", "10m"}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  WirePush push(kDataPort);
  const Nanoseconds sent = SystemClock().WallNow();
  Send(&push, 1, "ahead", 3600 * kNanosPerSecond);
  Send(&push, 2, "further", 7200 * kNanosPerSecond);
  Send(&push, 3, "bearable", 300 * kNanosPerSecond);
  EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered == 3; }));
  const auto of = [](const std::string& metric, const std::string& sender) {
    return Metric(kReceiverMetricsPort, metric, {{"sender", sender}});
  };
  // It seems to be ahead by as much less as the report was on the way.
  EXPECT_LE(of("pcap_zmq_receiver_sender_clock_offset_seconds", "ahead"), 3600);
  EXPECT_GT(of("pcap_zmq_receiver_sender_clock_offset_seconds", "ahead"), 3000);
  EXPECT_LE(of("pcap_zmq_receiver_sender_clock_offset_seconds", "further"), 7200);
  EXPECT_EQ(of("pcap_zmq_receiver_shifted_packets_total", "ahead"), 1);
  EXPECT_EQ(of("pcap_zmq_receiver_shifted_packets_total", "further"), 1);
  EXPECT_EQ(of("pcap_zmq_receiver_shifted_packets_total", "bearable"), 0);
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  const Capture capture = ParseCapture(reader.captures().at(0));
  ASSERT_EQ(capture.packets.size(), 3u);
  const Nanoseconds now = SystemClock().WallNow();
  EXPECT_LE(std::abs(capture.packets[0].timestamp - now), 600 * kNanosPerSecond);
  EXPECT_LE(std::abs(capture.packets[1].timestamp - now), 600 * kNanosPerSecond);
  EXPECT_GE(capture.packets[2].timestamp - sent, 300 * kNanosPerSecond);
}

}  // namespace
}  // namespace pcap_zmq::testing
