// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "codec/compression.h"
#include "tests/codec/compressor_properties.h"
#include "tests/codec/hostile_streams.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Unpack;
using testing::ZstdOfZeros;
using Outcome = Decompressor::Outcome;

constexpr size_t kBlock = 128 * 1024;

class ZstdLevels : public ::testing::TestWithParam<int> {
 protected:
  const std::unique_ptr<Compressor> compressor_ = MakeZstdCompressor(GetParam());
  const std::unique_ptr<Decompressor> decompressor_ = MakeZstdDecompressor();
};

TEST_P(ZstdLevels, UnpackGivesBackWhatWasPacked) {
  EXPECT_EQ(compressor_->codec(), Codec::kZstd);
  testing::ExpectRoundTrips(compressor_.get(), decompressor_.get());
}

TEST_P(ZstdLevels, RoomThatIsTooSmallIsNeverOverrun) {
  testing::ExpectRoomIsKept(compressor_.get());
}

TEST_P(ZstdLevels, TruncationIsNeverTakenForTheOriginal) {
  testing::ExpectTruncationIsSeen(compressor_.get(), decompressor_.get());
}

INSTANTIATE_TEST_SUITE_P(, ZstdLevels, ::testing::Values(-7, 1, 19));

TEST(ZstdDecompressor, FrameMadeByHandUnpacks) {
  const auto unpacked = Unpack(MakeZstdDecompressor().get(), ZstdOfZeros(2 * kBlock), 2 * kBlock);
  EXPECT_EQ(unpacked.outcome, Outcome::kOk);
  EXPECT_EQ(unpacked.bytes, Bytes(2 * kBlock));
}

TEST(ZstdDecompressor, OtherLengthThanDeclaredIsRefused) {
  const auto decompressor = MakeZstdDecompressor();
  const Bytes packed = ZstdOfZeros(kBlock);
  EXPECT_EQ(Unpack(decompressor.get(), packed, kBlock - 1).outcome, Outcome::kWrongLength);
  EXPECT_EQ(Unpack(decompressor.get(), packed, kBlock + 1).outcome, Outcome::kWrongLength);
  EXPECT_EQ(Unpack(decompressor.get(), {}, kBlock).outcome, Outcome::kWrongLength);
}

TEST(ZstdDecompressor, BombOfOneGibibyteStaysWithinTheDeclaredLength) {
  const Bytes bomb = ZstdOfZeros(size_t{1} << 30);
  EXPECT_LT(bomb.size(), 40'000U);
  EXPECT_EQ(Unpack(MakeZstdDecompressor().get(), bomb, 1 << 20).outcome, Outcome::kWrongLength);
}

TEST(ZstdDecompressor, BytesOfAnotherKindAreDamage) {
  const auto decompressor = MakeZstdDecompressor();
  EXPECT_EQ(Unpack(decompressor.get(), testing::ZlibOf(Bytes(100, 'a')), 100).outcome,
            Outcome::kDamaged);
  Bytes trailing = ZstdOfZeros(kBlock);
  trailing.push_back(0);
  EXPECT_EQ(Unpack(decompressor.get(), trailing, kBlock).outcome, Outcome::kDamaged);
}

}  // namespace
}  // namespace pcap_zmq
