// SPDX-License-Identifier: MIT
#include "codec/frame_decoder.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/codec/codec_testing.h"
#include "tests/codec/hostile_streams.h"
#include "tests/codec/legacy_message.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::ControlFrame;
using testing::DataFrame;
using testing::Encoding;
using testing::FrameOf;
using testing::PacketsIn;
using testing::Receiving;
using testing::RecordsOf;
using testing::SomePackets;
using testing::TestPacket;

class FrameDecoderTest : public ::testing::Test {
 protected:
  // Decodes `message`, which must be refused for `reason` alone and give nothing; then a
  // neighbour's next frame, which must not have noticed.
  void ExpectRefused(const Bytes& message, RejectReason reason) {
    const uint64_t before = receiving_.Rejected();
    const uint64_t before_reason = receiving_.Rejected(reason);
    EXPECT_TRUE(receiving_.Decode(message).empty());
    EXPECT_EQ(receiving_.Rejected(), before + 1);
    EXPECT_EQ(receiving_.Rejected(reason), before_reason + 1) << Label(reason);
    ExpectNeighbourIsWell();
  }

  void ExpectNeighbourIsWell() {
    const uint64_t before = receiving_.Rejected();
    const std::vector<TestPacket> packets = SomePackets(2);
    for (const Bytes& frame : neighbour_.Frames(packets)) {
      EXPECT_EQ(RecordsOf(receiving_.Decode(frame)), RecordsOf(packets));
    }
    EXPECT_EQ(receiving_.Rejected(), before);
  }

  // Header of a frame of `count` packets, packed by `codec`, `raw` bytes when unpacked.
  static FrameHeader Packed(Codec codec, uint32_t count, size_t raw) {
    FrameHeader header;
    header.codec = codec;
    header.stream_id = 1;
    header.packet_count = count;
    header.raw_length = static_cast<uint32_t>(raw);
    return header;
  }

  Receiving receiving_;
  Encoding neighbour_{0xa5a5};
};

TEST_F(FrameDecoderTest, PlainFrameBecomesABlockWithoutACopy) {
  const std::vector<TestPacket> packets = SomePackets(3);
  Frame message = testing::MessageOf(DataFrame(1, 0, packets));
  const uint8_t* const payload = message.data() + kFrameHeaderBytes;
  SenderTable& senders = receiving_.senders();
  ReceiverStats stats;
  FrameDecoder decoder(&senders, &stats);
  std::vector<RecordBlockPtr> blocks;
  decoder.Decode(std::move(message), &blocks);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0]->records.data(), payload);
  EXPECT_EQ(blocks[0]->packet_count, 3U);
  EXPECT_EQ(blocks[0]->link_type, LinkType::kRaw);
  EXPECT_EQ(blocks[0]->oldest_timestamp, packets[0].timestamp);
  EXPECT_EQ(RecordsOf(blocks), RecordsOf(packets));
}

TEST_F(FrameDecoderTest, BlocksAreAppendedAndOutliveTheDecoder) {
  const std::vector<TestPacket> packets = SomePackets(50);
  const auto compressor = MakeZlibCompressor(kZlibDefaultLevel);
  std::vector<RecordBlockPtr> blocks;
  {
    SenderTable senders(4, &receiving_.clock());
    ReceiverStats stats;
    FrameDecoder decoder(&senders, &stats);
    decoder.Decode(testing::MessageOf(DataFrame(1, 0, packets)), &blocks);
    decoder.Decode(testing::MessageOf(Encoding(2, compressor.get()).Frames(packets).at(0)),
                   &blocks);
    decoder.Decode(testing::MessageOf(testing::LegacyPlain(packets[0])), &blocks);
  }
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(RecordsOf(std::span(blocks).first(1)), RecordsOf(packets));
  EXPECT_EQ(RecordsOf(std::span(blocks).subspan(1, 1)), RecordsOf(packets));
  EXPECT_EQ(blocks[2]->packet_count, 1U);
}

TEST_F(FrameDecoderTest, LinkTypeOfTheFrameIsTheBlocks) {
  Bytes frame = DataFrame(1, 0, SomePackets(1));
  StoreLe<uint32_t>(frame.data() + 8, 276);
  EXPECT_EQ(receiving_.Decode(frame).at(0)->link_type, LinkType::kLinuxSll2);
}

TEST_F(FrameDecoderTest, ControlFrameNamesTheSenderAndGivesNoPackets) {
  EXPECT_TRUE(receiving_.Decode(ControlFrame(1, 0, R"({"name": "gw1", "captured": 9})")).empty());
  receiving_.Decode(DataFrame(1, 0, SomePackets(4)));
  const SenderSnapshot sender = receiving_.Sender("gw1");
  EXPECT_EQ(sender.totals.captured_packets, 9U);
  EXPECT_EQ(sender.packets, 4U);
  EXPECT_EQ(sender.frames, 2U);
  EXPECT_EQ(sender.bytes, RecordsOf(SomePackets(4)).size());
  EXPECT_EQ(receiving_.Rejected(), 0U);
}

TEST_F(FrameDecoderTest, LegacyMessagesAreOneSender) {
  const std::vector<TestPacket> packets = SomePackets(3);
  EXPECT_EQ(PacketsIn(receiving_.Decode(testing::LegacyPlain(packets[0]))), 1U);
  EXPECT_EQ(PacketsIn(receiving_.Decode(testing::LegacySquashed(packets))), 3U);
  EXPECT_EQ(receiving_.Sender("legacy").packets, 4U);
  EXPECT_EQ(receiving_.Sender("legacy").frames, 2U);
  EXPECT_EQ(receiving_.Rejected(), 0U);
}

TEST_F(FrameDecoderTest, ReceivedBytesCountRefusedMessagesToo) {
  receiving_.Decode(Bytes(10, 'x'));
  receiving_.Decode(DataFrame(1, 0, {{TestPacket{{1, 2}, 0, 2}}}));
  EXPECT_EQ(receiving_.stats().received_bytes.Value(), 10U + 48 + 18);
}

TEST_F(FrameDecoderTest, MessagesThatAreNoFramesAreRefusedByReason) {
  ExpectRefused({}, RejectReason::kTooShort);
  ExpectRefused(testing::ToBytes("PZP"), RejectReason::kTooShort);
  ExpectRefused(testing::ToBytes("GET / HTTP/1.1\r\n"), RejectReason::kMagic);
  ExpectRefused({0x00}, RejectReason::kLegacy);
  ExpectRefused({0x01}, RejectReason::kLegacy);
  ExpectRefused(Bytes(100, 0x00), RejectReason::kLegacy);
  ExpectRefused(Bytes(100, 0xff), RejectReason::kMagic);
}

TEST_F(FrameDecoderTest, HeadersThatAreNotValidAreRefusedByReason) {
  const auto changed = [](size_t at, uint8_t value) {
    Bytes frame = DataFrame(1, 0, SomePackets(1));
    frame[at] = value;
    return frame;
  };
  ExpectRefused(changed(4, 2), RejectReason::kVersion);
  ExpectRefused(changed(5, 3), RejectReason::kCodec);
  ExpectRefused(changed(7, 0x80), RejectReason::kHeader);
  ExpectRefused(changed(11, 1), RejectReason::kHeader);     // link type
  ExpectRefused(changed(12, 9), RejectReason::kHeader);     // more packets than can be in it
  ExpectRefused(changed(39, 0xff), RejectReason::kHeader);  // ordinal near 2^64
  ExpectRefused(changed(43, 0xff), RejectReason::kHeader);  // raw length near 4 GiB
  ExpectRefused(changed(47, 1), RejectReason::kHeader);
}

TEST_F(FrameDecoderTest, PackedFrameOfFourGibibytesIsRefusedByItsHeader) {
  const Bytes small = testing::ZlibOf(Bytes(100));
  ExpectRefused(FrameOf(Packed(Codec::kZlib, 1, UINT32_MAX), small), RejectReason::kHeader);
  ExpectRefused(FrameOf(Packed(Codec::kZstd, 1, kMaxFrameRawBytes + 1), small),
                RejectReason::kHeader);
}

TEST_F(FrameDecoderTest, ZlibBombIsRefused) {
  const Bytes bomb = testing::ZlibOfRepeated(Bytes(1 << 20), 1024);
  ExpectRefused(FrameOf(Packed(Codec::kZlib, 1, kMaxFrameRawBytes), bomb),
                RejectReason::kRawLength);
  ExpectRefused(FrameOf(Packed(Codec::kZlib, 1, 16), bomb), RejectReason::kRawLength);
}

TEST_F(FrameDecoderTest, ZstdBombIsRefused) {
  const Bytes bomb = testing::ZstdOfZeros(size_t{1} << 30);
  ExpectRefused(FrameOf(Packed(Codec::kZstd, 1, kMaxFrameRawBytes), bomb),
                RejectReason::kRawLength);
  ExpectRefused(FrameOf(Packed(Codec::kZstd, 1, 16), bomb), RejectReason::kRawLength);
}

TEST_F(FrameDecoderTest, PayloadOfAnotherCodecIsRefused) {
  const Bytes records = RecordsOf(SomePackets(1));
  ExpectRefused(FrameOf(Packed(Codec::kZlib, 1, records.size()), records), RejectReason::kInflate);
  ExpectRefused(FrameOf(Packed(Codec::kZstd, 1, records.size()), records), RejectReason::kInflate);
}

TEST_F(FrameDecoderTest, PayloadShorterThanDeclaredIsRefused) {
  const Bytes records = RecordsOf(SomePackets(1));
  const FrameHeader header = Packed(Codec::kZlib, 1, records.size() + 1);
  ExpectRefused(FrameOf(header, testing::ZlibOf(records)), RejectReason::kRawLength);
}

TEST_F(FrameDecoderTest, ControlFrameThatIsNotJsonIsRefusedAndChangesNothing) {
  receiving_.Decode(ControlFrame(1, 0, R"({"name": "gw1", "sent": 3})"));
  ExpectRefused(ControlFrame(1, 100, "{"), RejectReason::kControl);
  ExpectRefused(ControlFrame(1, 100, R"({"sent": "many"})"), RejectReason::kControl);
  receiving_.Pass(10 * kNanosPerSecond);
  EXPECT_EQ(receiving_.Sender("gw1").lost_packets, 0U);
  EXPECT_EQ(receiving_.Sender("gw1").totals.sent_packets, 3U);
}

TEST_F(FrameDecoderTest, RecordLongerThanTheFrameEndsItAndCountsTheRestAsLost) {
  const std::vector<TestPacket> packets = SomePackets(4);
  Bytes frame = DataFrame(1, 0, packets);
  const size_t record = RecordsOf(packets).size() / 4;
  StoreLe<uint32_t>(frame.data() + kFrameHeaderBytes + 2 * record + 8, 0x00ff'ffff);
  const auto blocks = receiving_.Decode(frame);
  EXPECT_EQ(RecordsOf(blocks), RecordsOf(std::span(packets).first(2)));
  EXPECT_EQ(PacketsIn(blocks), 2U);
  EXPECT_EQ(receiving_.Rejected(), 1U);
  EXPECT_EQ(receiving_.Rejected(RejectReason::kRecordChain), 1U);
  receiving_.Pass(SenderTable::kNamingTime);
  EXPECT_EQ(receiving_.Sender("unnamed").packets, 2U);
  EXPECT_EQ(receiving_.Sender("unnamed").lost_packets, 2U);
  ExpectNeighbourIsWell();
}

TEST_F(FrameDecoderTest, FrameWhoseFirstRecordIsDamagedIsRefusedWhole) {
  Bytes frame = DataFrame(1, 0, SomePackets(4));
  StoreLe<uint32_t>(frame.data() + kFrameHeaderBytes + 4, UINT32_MAX);
  ExpectRefused(frame, RejectReason::kRecordChain);
  // Its packets are lost as soon as the stream goes on.
  receiving_.Decode(DataFrame(1, 4, SomePackets(1)));
  receiving_.Pass(SenderTable::kNamingTime);
  const SenderSnapshot sender = receiving_.Sender("unnamed");
  EXPECT_EQ(sender.lost_packets + sender.unseen_packets, 4U);
}

TEST_F(FrameDecoderTest, PacketCountThatLiesIsCountedAndNeverBelieved) {
  Bytes fewer = DataFrame(1, 0, SomePackets(4));
  StoreLe<uint32_t>(fewer.data() + 12, 3);
  EXPECT_EQ(PacketsIn(receiving_.Decode(fewer)), 3U);
  EXPECT_EQ(receiving_.Rejected(RejectReason::kRecordChain), 1U);
  Bytes more = DataFrame(2, 0, SomePackets(4));
  StoreLe<uint32_t>(more.data() + 12, 5);
  EXPECT_EQ(PacketsIn(receiving_.Decode(more)), 4U);
  EXPECT_EQ(receiving_.Rejected(RejectReason::kRecordChain), 2U);
  EXPECT_EQ(receiving_.Rejected(), 2U);
  ExpectNeighbourIsWell();
}

TEST_F(FrameDecoderTest, RepeatedFrameIsRefusedAsDuplicate) {
  const Bytes frame = DataFrame(1, 0, SomePackets(2));
  receiving_.Decode(frame);
  ExpectRefused(frame, RejectReason::kDuplicate);
  EXPECT_EQ(PacketsIn(receiving_.Decode(DataFrame(2, 0, SomePackets(2)))), 2U) << "other stream";
}

TEST_F(FrameDecoderTest, RepeatedDamagedFrameIsRefusedForOneReason) {
  Bytes frame = DataFrame(1, 0, SomePackets(4));
  frame.back() = 1;
  StoreLe<uint32_t>(frame.data() + 12, 3);
  receiving_.Decode(frame);
  ExpectRefused(frame, RejectReason::kDuplicate);
}

TEST_F(FrameDecoderTest, DamagedLegacyMessageDeliversWhatCameBefore) {
  Bytes message = testing::LegacySquashed(SomePackets(3));
  message.back() ^= 1;  // the checksum at the stream's end
  EXPECT_EQ(RecordsOf(receiving_.Decode(message)).size(), RecordsOf(SomePackets(3)).size());
  EXPECT_EQ(receiving_.Rejected(RejectReason::kLegacy), 1U);
  EXPECT_EQ(receiving_.Sender("legacy").packets, 3U);
  ExpectNeighbourIsWell();
}

TEST(FrameDecoder, FramesOfAnotherKeysStreamAreRefusedAndHarmNobody) {
  testing::FakeClock clock;
  SenderTable senders(8, &clock);
  ReceiverStats stats;
  FrameDecoder decoder(&senders, &stats);
  std::vector<RecordBlockPtr> blocks;
  const auto decode = [&](const Bytes& frame, std::string_view key_name) {
    blocks.clear();
    decoder.Decode(testing::MessageOf(frame), &blocks, {key_name, key_name});
    return PacketsIn(blocks);
  };
  EXPECT_EQ(decode(DataFrame(1, 0, SomePackets(2)), "gw-1"), 2U);
  EXPECT_EQ(decode(DataFrame(1, 2, SomePackets(9)), "gw-2"), 0U);
  decode(ControlFrame(1, 50, R"({"name": "gw-1"})"), "gw-2");
  EXPECT_EQ(stats.rejected_frames.Value(RejectReason::kForeign), 2U);
  EXPECT_EQ(decode(DataFrame(1, 2, SomePackets(3)), "gw-1"), 3U);
  senders.Settle(0);
  const std::vector<SenderSnapshot> all = senders.Snapshot();
  ASSERT_EQ(all.size(), 1U) << "who is refused is not in the account";
  EXPECT_EQ(all[0].name, "gw-1");
  EXPECT_EQ(all[0].packets, 5U);
  EXPECT_EQ(all[0].lost_packets, 0U);
}

}  // namespace
}  // namespace pcap_zmq
