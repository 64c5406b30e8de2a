// SPDX-License-Identifier: MIT
#include "codec/frame_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>
#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::DataFrame;
using testing::SomePackets;
using testing::TestPacket;
using testing::ToBytes;

constexpr uint64_t kStream = 0x0123456789abcdef;

// Packs whatever it is given to `size` bytes.
class PackingTo final : public Compressor {
 public:
  explicit PackingTo(size_t size) : size_(size) {}
  Codec codec() const override { return Codec::kZstd; }
  size_t Compress(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    EXPECT_LT(output.size(), input.size()) << "there is room for what does not pay";
    if (size_ > output.size()) {
      return 0;
    }
    std::fill_n(output.begin(), size_, uint8_t{0xcc});
    return size_;
  }

 private:
  const size_t size_;
};

class FrameEncoderTest : public ::testing::Test {
 protected:
  Bytes EncodeOne(const TestPacket& packet) {
    encoder_.Append(packet.View());
    return ToBytes(encoder_.TakePlain().bytes());
  }

  // The header of a frame that must be valid.
  static FrameHeader HeaderOf(const Frame& frame) {
    RejectReason reason{};
    const auto header = ParseFrameHeader(frame.bytes(), &reason);
    EXPECT_TRUE(header.has_value()) << Label(reason);
    return header.value_or(FrameHeader{});
  }

  FramePool pool_{kFrameHeaderBytes + kPlainFrameTarget};
  FrameEncoder encoder_{kStream, &pool_};
};

TEST_F(FrameEncoderTest, PlainFrameIsTheHeaderAndTheRecords) {
  const std::vector<TestPacket> packets = SomePackets(3);
  for (const TestPacket& packet : packets) {
    ASSERT_TRUE(encoder_.Fits(packet.View()));
    encoder_.Append(packet.View());
  }
  EXPECT_EQ(encoder_.packet_count(), 3U);
  EXPECT_EQ(encoder_.oldest_timestamp(), packets[0].timestamp);
  EXPECT_EQ(encoder_.raw_bytes(), testing::RecordsOf(packets).size());
  const Frame frame = encoder_.TakePlain();
  EXPECT_EQ(ToBytes(frame.bytes()), DataFrame(kStream, 0, packets));
  EXPECT_EQ(frame.packet_count(), 3U);
  EXPECT_EQ(encoder_.packet_count(), 0U);
  EXPECT_EQ(encoder_.raw_bytes(), 0U);
}

TEST_F(FrameEncoderTest, FrameIsFilledToTheTargetAndNoFurther) {
  const TestPacket half{Bytes(kFrameRawTarget / 2 - kRecordHeaderBytes), 0, 1 << 20};
  encoder_.Append(half.View());
  TestPacket rest = half;
  EXPECT_TRUE(encoder_.Fits(rest.View()));
  rest.bytes.push_back(0);
  EXPECT_FALSE(encoder_.Fits(rest.View()));
  encoder_.Append(half.View());
  EXPECT_FALSE(encoder_.Fits(Packet{})) << "an empty packet has a record header too";
  EXPECT_EQ(encoder_.TakePlain().size(), kFrameHeaderBytes + kFrameRawTarget);
}

TEST_F(FrameEncoderTest, PacketAboveTheTargetTravelsAlone) {
  const TestPacket huge{Bytes(kMaxCapturedLength, 7), 5, kMaxCapturedLength};
  ASSERT_TRUE(encoder_.Fits(huge.View()));
  encoder_.Append(huge.View());
  EXPECT_FALSE(encoder_.Fits(Packet{}));
  EXPECT_EQ(ToBytes(encoder_.TakePlain().bytes()), DataFrame(kStream, 0, {{huge}}));
  // The next frame is an ordinary one.
  const std::vector<TestPacket> next = SomePackets(1);
  EXPECT_EQ(EncodeOne(next[0]), DataFrame(kStream, 0, next));
}

TEST_F(FrameEncoderTest, OrdinalAndSequenceAdvanceOnlyWhenAccepted) {
  const std::vector<TestPacket> packets = SomePackets(2);
  encoder_.Append(packets[0].View());
  encoder_.Append(packets[1].View());
  const FrameHeader first = HeaderOf(encoder_.TakePlain());
  EXPECT_EQ(first.sequence, 0U);
  EXPECT_EQ(first.first_ordinal, 0U);

  // ZeroMQ refused it: the next one takes its place.
  encoder_.Append(packets[0].View());
  const FrameHeader second = HeaderOf(encoder_.TakePlain());
  EXPECT_EQ(second.sequence, 0U);
  EXPECT_EQ(second.first_ordinal, 0U);
  encoder_.Accepted(1);
  EXPECT_EQ(encoder_.next_ordinal(), 1U);

  const FrameHeader control = HeaderOf(encoder_.MakeControl("{}", false));
  EXPECT_EQ(control.sequence, 1U);
  EXPECT_EQ(control.first_ordinal, 1U);
  encoder_.Accepted(0);

  encoder_.Append(packets[1].View());
  const FrameHeader third = HeaderOf(encoder_.TakePlain());
  EXPECT_EQ(third.sequence, 2U);
  EXPECT_EQ(third.first_ordinal, 1U);
}

TEST_F(FrameEncoderTest, PackedFrameIsSmallerAndSaysHowItWasPacked) {
  const TestPacket packet{Bytes(1000, 'a'), kNanosPerSecond, 1000};
  for (const Codec codec : {Codec::kZlib, Codec::kZstd}) {
    const auto compressor = codec == Codec::kZlib ? MakeZlibCompressor(kZlibDefaultLevel)
                                                  : MakeZstdCompressor(kZstdDefaultLevel);
    encoder_.Append(packet.View());
    const Frame frame = encoder_.TakePacked(compressor.get());
    const FrameHeader header = HeaderOf(frame);
    EXPECT_EQ(header.codec, codec);
    EXPECT_EQ(header.raw_length, 1016U);
    EXPECT_EQ(header.packet_count, 1U);
    EXPECT_EQ(frame.packet_count(), 1U);
    EXPECT_LT(frame.size(), 200U);
    EXPECT_EQ(encoder_.packet_count(), 0U);
  }
}

TEST_F(FrameEncoderTest, PackingIsTakenWhenItSavesASingleByte) {
  const TestPacket packet{Bytes(100), 0, 100};
  PackingTo one_byte_less(kRecordHeaderBytes + 99);
  encoder_.Append(packet.View());
  const Frame packed = encoder_.TakePacked(&one_byte_less);
  EXPECT_EQ(packed.size(), kFrameHeaderBytes + kRecordHeaderBytes + 99);
  EXPECT_EQ(HeaderOf(packed).codec, Codec::kZstd);
  PackingTo the_same(kRecordHeaderBytes + 100);
  encoder_.Append(packet.View());
  EXPECT_EQ(HeaderOf(encoder_.TakePacked(&the_same)).codec, Codec::kPlain);
}

TEST_F(FrameEncoderTest, WhatPackingWouldNotMakeSmallerIsSentPlain) {
  TestPacket packet;
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    packet.bytes.push_back(static_cast<uint8_t>(random()));
  }
  packet.original_length = 500;
  for (const auto& compressor : {MakeZlibCompressor(9), MakeZstdCompressor(19)}) {
    encoder_.Append(packet.View());
    const Frame frame = encoder_.TakePacked(compressor.get());
    EXPECT_EQ(ToBytes(frame.bytes()), DataFrame(kStream, 0, {{packet}}));
    EXPECT_EQ(frame.packet_count(), 1U);
  }
}

TEST_F(FrameEncoderTest, FrameAfterAPackedOneHoldsOnlyItsOwnPackets) {
  const auto compressor = MakeZlibCompressor(kZlibDefaultLevel);
  encoder_.Append(TestPacket{Bytes(5000, 'x'), 0, 5000}.View());
  EXPECT_EQ(HeaderOf(encoder_.TakePacked(compressor.get())).codec, Codec::kZlib);
  const std::vector<TestPacket> next = SomePackets(1);
  EXPECT_EQ(EncodeOne(next[0]), DataFrame(kStream, 0, next));
}

TEST_F(FrameEncoderTest, ControlFrameLeavesTheFrameUnderConstructionAlone) {
  const std::vector<TestPacket> packets = SomePackets(1);
  encoder_.Append(packets[0].View());
  const Frame control = encoder_.MakeControl(R"({"name":"gw1"})", true);
  const FrameHeader header = HeaderOf(control);
  EXPECT_TRUE(header.control);
  EXPECT_TRUE(header.last);
  EXPECT_EQ(header.stream_id, kStream);
  EXPECT_EQ(control.packet_count(), 0U);
  EXPECT_EQ(ToBytes(control.bytes().subspan(kFrameHeaderBytes)), ToBytes(R"({"name":"gw1"})"));
  EXPECT_EQ(ToBytes(encoder_.TakePlain().bytes()), DataFrame(kStream, 0, packets));
}

TEST_F(FrameEncoderTest, EmptyPacketNeedsNoData) {
  encoder_.Append(Packet{kNanosPerSecond - 1, nullptr, 0, 40});
  EXPECT_EQ(ToBytes(encoder_.TakePlain().bytes()),
            DataFrame(kStream, 0, {{TestPacket{{}, kNanosPerSecond - 1, 40}}}));
}

TEST_F(FrameEncoderTest, NumbersThatARecordCannotHoldAreMadeValid) {
  // Before 1970, and longer captured than on the wire.
  EXPECT_EQ(EncodeOne({{1, 2, 3}, -1, 2}), DataFrame(kStream, 0, {{TestPacket{{1, 2, 3}, 0, 3}}}));
}

}  // namespace
}  // namespace pcap_zmq
