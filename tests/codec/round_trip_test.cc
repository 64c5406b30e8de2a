// SPDX-License-Identifier: MIT
// Twin of none: encoder and decoder against each other on random batches.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Encoding;
using testing::Receiving;
using testing::RecordsOf;
using testing::TestPacket;

struct Packing {
  const char* name;
  Codec codec;
  int level;

  std::unique_ptr<Compressor> Make() const {
    switch (codec) {
      case Codec::kPlain:
        return nullptr;
      case Codec::kZlib:
        return MakeZlibCompressor(level);
      case Codec::kZstd:
        return MakeZstdCompressor(level);
    }
    return nullptr;
  }
};

class RoundTrip : public ::testing::TestWithParam<Packing> {
 protected:
  // Decodes `frames` one by one, checking each header against what the specification asks for.
  Bytes DecodeAll(const std::vector<Bytes>& frames) {
    Bytes records;
    for (const Bytes& frame : frames) {
      RejectReason reason{};
      const auto header = ParseFrameHeader(frame, &reason);
      EXPECT_TRUE(header.has_value()) << Label(reason);
      if (!header.has_value()) {
        return records;
      }
      EXPECT_EQ(header->stream_id, kStream);
      EXPECT_EQ(header->sequence, frames_);
      EXPECT_EQ(header->first_ordinal, packets_);
      EXPECT_TRUE(header->raw_length <= kFrameRawTarget || header->packet_count == 1);
      EXPECT_LE(frame.size(), kFrameHeaderBytes + header->raw_length) << "packed is never larger";
      EXPECT_TRUE(header->codec == Codec::kPlain || header->codec == GetParam().codec);
      const auto blocks = receiving_.Decode(frame);
      EXPECT_EQ(testing::PacketsIn(blocks), header->packet_count);
      const Bytes part = RecordsOf(blocks);
      EXPECT_EQ(part.size(), header->raw_length);
      records.insert(records.end(), part.begin(), part.end());
      packed_ += header->codec == Codec::kPlain ? 0U : 1U;
      ++frames_;
      packets_ += header->packet_count;
    }
    return records;
  }

  static constexpr uint64_t kStream = 0xfeed'0000'0000'0001;
  const std::unique_ptr<Compressor> compressor_ = GetParam().Make();
  Encoding sending_{kStream, compressor_.get()};
  Receiving receiving_;
  uint64_t frames_ = 0;
  uint64_t packed_ = 0;
  uint64_t packets_ = 0;
};

TEST_P(RoundTrip, EveryPacketComesOutAsItWentIn) {
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::vector<TestPacket> packets = testing::RandomPackets(seed, 60);
    EXPECT_TRUE(DecodeAll(sending_.Frames(packets)) == RecordsOf(packets));
    EXPECT_EQ(packets_, seed * 60);
  }
  EXPECT_EQ(receiving_.Rejected(), 0U);
  EXPECT_EQ(GetParam().codec != Codec::kPlain, packed_ > 0) << "some of the frames pack";
  receiving_.Pass(SenderTable::kNamingTime);
  const SenderSnapshot sender = receiving_.Sender("unnamed");
  EXPECT_EQ(sender.packets, packets_);
  EXPECT_EQ(sender.lost_packets + sender.unseen_packets, 0U);
}

TEST_P(RoundTrip, PacketsAtTheEdgesComeOutAsTheyWentIn) {
  constexpr Nanoseconds kLast = Nanoseconds{0xffff'ffff} * kNanosPerSecond + kNanosPerSecond - 1;
  const uint32_t exact = kFrameRawTarget - kRecordHeaderBytes;
  const std::vector<TestPacket> packets = {
      {{}, 0, 0},
      {{}, kLast, UINT32_MAX},
      {Bytes(1, 9), kNanosPerSecond - 1, 1},
      {Bytes(exact, 1), kNanosPerSecond, exact},
      {Bytes(exact + 1, 2), kNanosPerSecond, exact + 1},
      {Bytes(65'535, 3), kNanosPerSecond + 1, 65'535},
      {Bytes(kMaxCapturedLength, 4), kLast, UINT32_MAX},
      {Bytes(kMaxCapturedLength, 5), 1, kMaxCapturedLength},
      {{}, 2, 0},
  };
  EXPECT_TRUE(DecodeAll(sending_.Frames(packets)) == RecordsOf(packets));
  EXPECT_EQ(receiving_.Rejected(), 0U);
}

TEST_P(RoundTrip, ManySmallPacketsShareFrames) {
  std::vector<TestPacket> packets;
  for (int i = 0; i < 10'000; ++i) {
    packets.push_back({Bytes(static_cast<size_t>(i % 80), static_cast<uint8_t>(i)), i, 80});
  }
  const Bytes records = RecordsOf(packets);
  EXPECT_TRUE(DecodeAll(sending_.Frames(packets)) == records);
  EXPECT_EQ(packets_, 10'000U);
  // Every frame but the last has less room left than the largest packet needs.
  EXPECT_LE(frames_, 1 + records.size() / (kFrameRawTarget - 96));
}

INSTANTIATE_TEST_SUITE_P(
    , RoundTrip,
    ::testing::Values(Packing{"Plain", Codec::kPlain, 0}, Packing{"Zlib1", Codec::kZlib, 1},
                      Packing{"Zlib6", Codec::kZlib, 6}, Packing{"Zlib9", Codec::kZlib, 9},
                      Packing{"ZstdFast7", Codec::kZstd, -7}, Packing{"Zstd1", Codec::kZstd, 1},
                      Packing{"Zstd19", Codec::kZstd, 19}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace pcap_zmq
