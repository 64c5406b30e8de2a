// SPDX-License-Identifier: MIT
#include "codec/legacy_decoder.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/codec/codec_testing.h"
#include "tests/codec/hostile_streams.h"
#include "tests/codec/legacy_message.h"

namespace pcap_zmq {
namespace {

using testing::AppendWithLength;
using testing::Bytes;
using testing::LegacyPlain;
using testing::LegacySquashed;
using testing::PacketsIn;
using testing::RecordsOf;
using testing::TestPacket;
using testing::WithTag;
using testing::XdrRecord;
using testing::ZlibOf;

constexpr Nanoseconds kTime = 1'350'000'000 * kNanosPerSecond + 123'456'000;

class LegacyDecoderTest : public ::testing::Test {
 protected:
  // Decodes a heap copy of the exact size and checks what the outcome says of the blocks.
  LegacyDecoder::Outcome Decode(const Bytes& message) {
    blocks_.clear();
    const Frame copy = testing::MessageOf(message);
    const LegacyDecoder::Outcome outcome = decoder_.Decode(copy.bytes(), &blocks_);
    EXPECT_EQ(outcome.packets, PacketsIn(blocks_));
    EXPECT_EQ(outcome.bytes, RecordsOf(blocks_).size());
    return outcome;
  }

  void ExpectWhole(const Bytes& message, const std::vector<TestPacket>& packets) {
    EXPECT_FALSE(Decode(message).damaged);
    EXPECT_EQ(RecordsOf(blocks_), RecordsOf(packets));
  }

  void ExpectDamagedAfter(const Bytes& message, const std::vector<TestPacket>& packets) {
    EXPECT_TRUE(Decode(message).damaged);
    EXPECT_EQ(RecordsOf(blocks_), RecordsOf(packets));
  }

  FramePool pool_{kFrameRawTarget};
  LegacyDecoder decoder_{&pool_};
  std::vector<RecordBlockPtr> blocks_;
};

TestPacket PacketOf(size_t size, uint32_t i = 0) {
  return {Bytes(size, static_cast<uint8_t>(i)), kTime + i * kNanosPerMicro,
          static_cast<uint32_t>(size) + i};
}

std::vector<TestPacket> PacketsOf(size_t count, size_t size) {
  std::vector<TestPacket> packets;
  for (uint32_t i = 0; i < count; ++i) {
    packets.push_back(PacketOf(size, i));
  }
  return packets;
}

TEST_F(LegacyDecoderTest, MessageMadeByHandIsRead) {
  const Bytes message = {0x00,                    // one plain record
                         0x50, 0x77, 0x4d, 0x80,  // 1349995904 seconds
                         0x00, 0x01, 0xe2, 0x40,  // 123456 microseconds
                         0x00, 0x00, 0x05, 0xdc,  // 1500 bytes on the wire
                         0x00, 0x00, 0x00, 0x05,  // of which 5 were captured
                         'h',  'e',  'l',  'l',  'o', 0, 0, 0};
  EXPECT_FALSE(Decode(message).damaged);
  ASSERT_EQ(blocks_.size(), 1U);
  const Bytes expected = {0x80, 0x4d, 0x77, 0x50, 0x00, 0xca, 0x5b, 0x07, 5,   0,  0,
                          0,    0xdc, 0x05, 0,    0,    'h',  'e',  'l',  'l', 'o'};
  EXPECT_EQ(RecordsOf(blocks_), expected);
  EXPECT_EQ(blocks_[0]->oldest_timestamp, 1'349'995'904 * kNanosPerSecond + 123'456'000);
  EXPECT_EQ(blocks_[0]->link_type, LinkType::kRaw);
}

TEST_F(LegacyDecoderTest, EveryPaddingIsTakenOff) {
  for (size_t size = 0; size <= 9; ++size) {
    ExpectWhole(LegacyPlain(PacketOf(size)), {PacketOf(size)});
    ExpectWhole(LegacySquashed(PacketsOf(3, size)), PacketsOf(3, size));
  }
}

TEST_F(LegacyDecoderTest, UnknownOriginalLengthBecomesTheCapturedOne) {
  TestPacket packet = PacketOf(60);
  packet.original_length = 0;
  const Bytes message = LegacyPlain(packet);
  packet.original_length = 60;
  ExpectWhole(message, {packet});
}

TEST_F(LegacyDecoderTest, LargestPacketIsReadAndALargerOneIsDamage) {
  ExpectWhole(LegacyPlain(PacketOf(kMaxCapturedLength)), {PacketOf(kMaxCapturedLength)});
  ExpectWhole(LegacySquashed(PacketsOf(2, kMaxCapturedLength)), PacketsOf(2, kMaxCapturedLength));
  ExpectDamagedAfter(LegacyPlain(PacketOf(kMaxCapturedLength + 1)), {});
  ExpectDamagedAfter(LegacySquashed(PacketsOf(1, kMaxCapturedLength + 4)), {});
}

TEST_F(LegacyDecoderTest, ManyRecordsBecomeSeveralBlocks) {
  const std::vector<TestPacket> packets = PacketsOf(1000, 1400);
  ExpectWhole(LegacySquashed(packets), packets);
  ASSERT_GE(blocks_.size(), 1000U * 1416 / kFrameRawTarget);
  for (const RecordBlockPtr& block : blocks_) {
    EXPECT_LE(block->records.size(), kFrameRawTarget);
    EXPECT_EQ(block->oldest_timestamp, RecordTimestamp(block->records.data()));
  }
}

TEST_F(LegacyDecoderTest, EachBlockIsMadeWhenTheOneBeforeWasTaken) {
  Bytes records;
  for (uint32_t i = 0; i < 100; ++i) {
    AppendWithLength(&records, XdrRecord(PacketOf(40'000, i)));
  }
  const Frame message = testing::MessageOf(WithTag(kLegacySquashedTag, ZlibOf(records)));
  std::set<const uint8_t*> places;
  size_t blocks = 0;
  decoder_.Decode(message.bytes(), [&](const RecordBlockPtr& block) {
    ++blocks;
    places.insert(block->records.data());
  });
  EXPECT_GE(blocks, 25U);
  EXPECT_LE(places.size(), 2U) << "they were not let go of one by one";
}

TEST_F(LegacyDecoderTest, BlocksOutliveTheNextMessage) {
  Decode(LegacyPlain(PacketOf(50, 1)));
  const RecordBlockPtr kept = blocks_.at(0);
  Decode(LegacyPlain(PacketOf(50, 2)));
  EXPECT_EQ(RecordsOf(std::vector{kept}), RecordsOf(std::vector{PacketOf(50, 1)}));
}

TEST_F(LegacyDecoderTest, SquashedMessageWithoutRecordsIsWhole) {
  ExpectWhole(LegacySquashed({}), {});
}

TEST_F(LegacyDecoderTest, EveryTruncationOfAPlainMessageIsDamage) {
  const Bytes whole = LegacyPlain(PacketOf(5));
  for (size_t size = 1; size < whole.size(); ++size) {
    ExpectDamagedAfter(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)), {});
  }
  Bytes longer = whole;
  longer.push_back(0);
  ExpectDamagedAfter(longer, {});
}

TEST_F(LegacyDecoderTest, EveryTruncationOfASquashedMessageKeepsWholeRecords) {
  const std::vector<TestPacket> packets = PacketsOf(4, 30);
  const Bytes whole = LegacySquashed(packets);
  const Bytes records = RecordsOf(packets);
  for (size_t size = 1; size < whole.size(); ++size) {
    const auto outcome = Decode(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_TRUE(outcome.damaged) << size;
    const Bytes got = RecordsOf(blocks_);
    EXPECT_EQ(got, Bytes(records.begin(), records.begin() + static_cast<ptrdiff_t>(got.size())));
    EXPECT_EQ(got.size(), outcome.packets * (kRecordHeaderBytes + 30));
  }
}

TEST_F(LegacyDecoderTest, RecordsBeforeADamagedOneAreDelivered) {
  Bytes late = XdrRecord(PacketOf(40, 3));
  late[4] = 0xff;  // microseconds far above a second
  Bytes padded = XdrRecord(PacketOf(40, 3));
  padded.resize(padded.size() + 4);
  for (const Bytes& damaged : {late, padded, Bytes(), Bytes(15)}) {
    Bytes records;
    AppendWithLength(&records, XdrRecord(PacketOf(40, 1)));
    AppendWithLength(&records, XdrRecord(PacketOf(40, 2)));
    AppendWithLength(&records, damaged);
    AppendWithLength(&records, XdrRecord(PacketOf(40, 4)));
    ExpectDamagedAfter(WithTag(0x01, ZlibOf(records)), {PacketOf(40, 1), PacketOf(40, 2)});
  }
}

TEST_F(LegacyDecoderTest, LengthsThatLieAreDamage) {
  Bytes record = XdrRecord(PacketOf(40));
  for (const uint32_t length : {0U, 36U, 41U, 45U, 0x7fff'ffffU, 0xffff'fffdU, 0xffff'ffffU}) {
    StoreBe<uint32_t>(record.data() + 12, length);
    ExpectDamagedAfter(WithTag(0x00, record), {});
  }
  Bytes records(4);
  for (const uint32_t length : {1U, 16U, 0x7fff'ffffU, 0xffff'ffffU}) {
    StoreBe<uint32_t>(records.data(), length);
    ExpectDamagedAfter(WithTag(0x01, ZlibOf(records)), {});
  }
}

TEST_F(LegacyDecoderTest, BombEndsAtSixtyFourMebibytes) {
  const TestPacket packet = PacketOf(1 << 16);
  Bytes record;
  AppendWithLength(&record, XdrRecord(packet));
  const Bytes bomb = WithTag(0x01, testing::ZlibOfRepeated(record, (1 << 30) / record.size()));
  EXPECT_LT(bomb.size(), 4U << 20);
  const auto outcome = Decode(bomb);
  EXPECT_TRUE(outcome.damaged);
  EXPECT_EQ(outcome.packets, kMaxLegacyInflatedBytes / record.size());
}

TEST_F(LegacyDecoderTest, MessageOfExactlyTheLimitIsWhole) {
  Bytes record;
  AppendWithLength(&record, XdrRecord(PacketOf((1 << 16) - 20)));
  ASSERT_EQ(record.size(), 1U << 16);
  const auto outcome = Decode(WithTag(0x01, testing::ZlibOfRepeated(record, 1 << 10)));
  EXPECT_FALSE(outcome.damaged);
  EXPECT_EQ(outcome.packets, 1U << 10);
}

}  // namespace
}  // namespace pcap_zmq
