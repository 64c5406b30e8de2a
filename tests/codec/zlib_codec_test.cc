// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <zlib.h>

#include "codec/compression.h"
#include "tests/codec/compressor_properties.h"
#include "tests/codec/hostile_streams.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Unpack;
using testing::ZlibOf;
using testing::ZlibOfRepeated;
using Outcome = Decompressor::Outcome;

uLong Checksum(const Bytes& bytes) {
  return adler32(1, bytes.data(), static_cast<uInt>(bytes.size()));
}

class ZlibLevels : public ::testing::TestWithParam<int> {
 protected:
  const std::unique_ptr<Compressor> compressor_ = MakeZlibCompressor(GetParam());
  const std::unique_ptr<Decompressor> decompressor_ = MakeZlibDecompressor();
};

TEST_P(ZlibLevels, UnpackGivesBackWhatWasPacked) {
  EXPECT_EQ(compressor_->codec(), Codec::kZlib);
  testing::ExpectRoundTrips(compressor_.get(), decompressor_.get());
}

TEST_P(ZlibLevels, RoomThatIsTooSmallIsNeverOverrun) {
  testing::ExpectRoomIsKept(compressor_.get());
}

TEST_P(ZlibLevels, TruncationIsNeverTakenForTheOriginal) {
  testing::ExpectTruncationIsSeen(compressor_.get(), decompressor_.get());
}

TEST_P(ZlibLevels, WhatUnpacksFromADamagedStreamHasTheOriginalsChecksum) {
  const Bytes input = testing::PackableBytes(400, 7);
  const Bytes packed = testing::Pack(compressor_.get(), input, 1000);
  for (size_t at = 0; at < packed.size() - 4; ++at) {
    for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
      Bytes damaged = packed;
      damaged[at] = static_cast<uint8_t>(damaged[at] ^ flip);
      const auto unpacked = Unpack(decompressor_.get(), damaged, input.size());
      // Adler-32 is weak enough to miss a few of these, and missing it is all that is allowed.
      EXPECT_TRUE(unpacked.outcome != Outcome::kOk || Checksum(unpacked.bytes) == Checksum(input))
          << at << "^" << flip;
    }
  }
  EXPECT_EQ(Unpack(decompressor_.get(), packed, input.size()).bytes, input);
}

TEST_P(ZlibLevels, WrongChecksumIsDamage) {
  const Bytes input = testing::PackableBytes(400, 8);
  Bytes packed = testing::Pack(compressor_.get(), input, 1000);
  packed.back() ^= 1;
  EXPECT_EQ(Unpack(decompressor_.get(), packed, input.size()).outcome, Outcome::kDamaged);
}

INSTANTIATE_TEST_SUITE_P(, ZlibLevels, ::testing::Values(1, 6, 9));

TEST(ZlibDecompressor, OtherLengthThanDeclaredIsRefused) {
  const auto decompressor = MakeZlibDecompressor();
  const Bytes packed = ZlibOf(Bytes(1000, 'a'));
  EXPECT_EQ(Unpack(decompressor.get(), packed, 1000).outcome, Outcome::kOk);
  EXPECT_EQ(Unpack(decompressor.get(), packed, 999).outcome, Outcome::kWrongLength);
  EXPECT_EQ(Unpack(decompressor.get(), packed, 1001).outcome, Outcome::kWrongLength);
}

TEST(ZlibDecompressor, BytesAfterTheStreamAreRefused) {
  const auto decompressor = MakeZlibDecompressor();
  Bytes packed = ZlibOf(Bytes(100, 'a'));
  packed.push_back(0);
  EXPECT_EQ(Unpack(decompressor.get(), packed, 100).outcome, Outcome::kWrongLength);
}

TEST(ZlibDecompressor, BombOfOneGibibyteStaysWithinTheDeclaredLength) {
  const auto decompressor = MakeZlibDecompressor();
  const Bytes bomb = ZlibOfRepeated(Bytes(1 << 20), 1024);
  EXPECT_EQ(Unpack(decompressor.get(), bomb, 1 << 20).outcome, Outcome::kWrongLength);
}

TEST(ZlibDecompressor, PresetDictionaryIsDamage) {
  const Bytes wants_dictionary = {0x78, 0xbb, 1, 2, 3, 4, 0x03, 0x00};
  EXPECT_EQ(Unpack(MakeZlibDecompressor().get(), wants_dictionary, 10).outcome, Outcome::kDamaged);
}

class ZlibStream : public ::testing::Test {
 protected:
  // Reads `size` bytes into a heap block of that size.
  Bytes Read(size_t size) {
    const auto room = std::make_unique<uint8_t[]>(size);
    const size_t got = reader_->Read({room.get(), size});
    EXPECT_LE(got, size);
    return {room.get(), room.get() + std::min(got, size)};
  }

  const std::unique_ptr<ZlibStreamReader> reader_ = MakeZlibStreamReader();
};

TEST_F(ZlibStream, IsReadInPiecesOfAnySize) {
  const Bytes text = testing::PackableBytes(10'000, 1);
  const Bytes packed = ZlibOf(text);
  for (const size_t piece : {1U, 7U, 4096U, 20'000U}) {
    reader_->Start(packed);
    Bytes all;
    while (true) {
      const Bytes part = Read(piece);
      all.insert(all.end(), part.begin(), part.end());
      if (part.size() < piece) {
        break;
      }
    }
    EXPECT_EQ(all, text);
    EXPECT_FALSE(reader_->damaged());
    EXPECT_TRUE(Read(piece).empty()) << "after the end";
  }
}

TEST_F(ZlibStream, WhatWasBeforeTheDamageIsGivenAndDamageTold) {
  const Bytes text = testing::PackableBytes(10'000, 2);
  Bytes packed = ZlibOf(text);
  packed.resize(packed.size() / 2);
  reader_->Start(packed);
  const Bytes part = Read(text.size());
  EXPECT_TRUE(reader_->damaged());
  ASSERT_GT(part.size(), 0U);
  ASSERT_LT(part.size(), text.size());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), text.begin()));
}

TEST_F(ZlibStream, StartForgetsTheDamageBefore) {
  const Bytes garbage = {1, 2, 3};
  reader_->Start(garbage);
  EXPECT_TRUE(Read(10).empty());
  EXPECT_TRUE(reader_->damaged());
  const Bytes packed = ZlibOf(Bytes(10, 'b'));
  reader_->Start(packed);
  EXPECT_EQ(Read(10), Bytes(10, 'b'));
  EXPECT_FALSE(reader_->damaged());
}

TEST_F(ZlibStream, NothingAtAllIsDamage) {
  reader_->Start({});
  EXPECT_TRUE(Read(1).empty());
  EXPECT_TRUE(reader_->damaged());
}

}  // namespace
}  // namespace pcap_zmq
