// SPDX-License-Identifier: MIT
//
// The 2012 Python sender, imitated: its two kinds of messages reach the FIFO.
#include <gtest/gtest.h>

#include "base/byte_io.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

struct LegacyPacket {
  uint32_t seconds;
  uint32_t micros;
  uint32_t length;  // 0: the sender did not know it
  Bytes data;
};

void AppendBe(Bytes* out, uint32_t value) {
  const size_t at = out->size();
  out->resize(at + 4);
  StoreBe<uint32_t>(out->data() + at, value);
}

// XDR: int sec, int usec, uint len, opaque data<>.
Bytes Xdr(const LegacyPacket& packet) {
  Bytes record;
  AppendBe(&record, packet.seconds);
  AppendBe(&record, packet.micros);
  AppendBe(&record, packet.length);
  AppendBe(&record, static_cast<uint32_t>(packet.data.size()));
  record.insert(record.end(), packet.data.begin(), packet.data.end());
  record.resize((record.size() + 3) / 4 * 4);
  return record;
}

class LegacySender : public PipeTest {};

TEST_F(LegacySender, PlainAndSquashedMessagesComeOutOfTheFifo) {
  std::vector<LegacyPacket> packets;
  for (uint32_t i = 0; i < 40; ++i) {
    const std::string body(i, 'x');
    Bytes data = i % 2 == 0 ? Ipv4Packet(body) : Ipv6Packet(body);
    const auto size = static_cast<uint32_t>(data.size());
    packets.push_back(
        {1'340'000'000 + i, 999'000 + i, i % 5 == 0 ? size + 1000 : size, std::move(data)});
  }
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  WirePush push(kDataPort);
  for (size_t i = 0; i < 20; ++i) {
    Bytes message = {0x00};
    const Bytes record = Xdr(packets[i]);
    message.insert(message.end(), record.begin(), record.end());
    ASSERT_TRUE(push.Send(message));
  }
  Bytes raw;
  for (size_t i = 20; i < packets.size(); ++i) {
    const Bytes record = Xdr(packets[i]);
    AppendBe(&raw, static_cast<uint32_t>(record.size()));
    raw.insert(raw.end(), record.begin(), record.end());
  }
  Bytes squashed = {0x01};
  const Bytes packed = ZlibPack(raw);
  squashed.insert(squashed.end(), packed.begin(), packed.end());
  ASSERT_TRUE(push.Send(squashed));

  EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered == packets.size(); }));
  EXPECT_EQ(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_packets_total", {{"sender", "legacy"}}),
            static_cast<double>(packets.size()));
  EXPECT_EQ(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_rejected_frames_total"), 0);
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  const Capture capture = ParseCapture(reader.captures().at(0));
  EXPECT_EQ(capture.error, "");
  ASSERT_EQ(capture.packets.size(), packets.size());
  for (size_t i = 0; i < packets.size(); ++i) {
    const CapturedPacket& out = capture.packets[i];
    EXPECT_EQ(Bytes(out.data.begin(), out.data.end()), packets[i].data);
    EXPECT_EQ(out.timestamp,
              packets[i].seconds * kNanosPerSecond + packets[i].micros * kNanosPerMicro);
    EXPECT_EQ(out.original_length, packets[i].length);
  }
}

TEST_F(LegacySender, PacketsOfUnknownLengthAreTakenAtTheirCapturedOne) {
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  WirePush push(kDataPort);
  const Bytes data = Ipv4Packet("legacy");
  Bytes message = {0x00};
  const Bytes record = Xdr({1, 2, 0, data});
  message.insert(message.end(), record.begin(), record.end());
  ASSERT_TRUE(push.Send(message));
  EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered == 1; }));
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  const Capture capture = ParseCapture(reader.captures().at(0));
  ASSERT_EQ(capture.packets.size(), 1u);
  EXPECT_EQ(capture.packets[0].original_length, data.size());
}

}  // namespace
}  // namespace pcap_zmq::testing
