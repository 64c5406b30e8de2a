// SPDX-License-Identifier: MIT
//
// What must hold of every compressor and decompressor, whichever library is behind it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <span>

#include "codec/compression.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// Bytes with some repetition in them.
inline Bytes PackableBytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) {
    byte = static_cast<uint8_t>('a' + random() % 4);
  }
  return bytes;
}

struct Unpacked {
  Decompressor::Outcome outcome;
  Bytes bytes;
};

/// Unpacks between heap blocks of the exact sizes, so that the sanitizer sees a step outside.
inline Unpacked Unpack(Decompressor* decompressor, std::span<const uint8_t> packed, size_t size) {
  const auto input = std::make_unique<uint8_t[]>(packed.size());
  std::copy(packed.begin(), packed.end(), input.get());
  const auto output = std::make_unique<uint8_t[]>(size);
  const auto outcome = decompressor->Decompress({input.get(), packed.size()}, {output.get(), size});
  return {outcome, {output.get(), output.get() + size}};
}

/// `input` packed; empty when it did not fit `room`.
inline Bytes Pack(Compressor* compressor, std::span<const uint8_t> input, size_t room) {
  const auto output = std::make_unique<uint8_t[]>(room);
  const size_t size = compressor->Compress(input, {output.get(), room});
  EXPECT_LE(size, room);
  return {output.get(), output.get() + std::min(size, room)};
}

inline void ExpectRoundTrips(Compressor* compressor, Decompressor* decompressor) {
  uint32_t seed = 0;
  for (const size_t size : {1U, 16U, 17U, 1500U, 65'535U, 65'536U, 262'160U, 1'048'576U}) {
    const Bytes input = PackableBytes(size, ++seed);
    const Bytes packed = Pack(compressor, input, size + size / 8 + 64);
    ASSERT_FALSE(packed.empty()) << size;
    const Unpacked unpacked = Unpack(decompressor, packed, size);
    EXPECT_EQ(unpacked.outcome, Decompressor::Outcome::kOk) << size;
    EXPECT_EQ(unpacked.bytes, input) << size;
  }
}

inline void ExpectRoomIsKept(Compressor* compressor) {
  const Bytes input = PackableBytes(3000, 5);
  const size_t needed = Pack(compressor, input, 4000).size();
  ASSERT_GT(needed, 0U);
  for (size_t room = 0; room < needed; room += 1 + needed / 50) {
    EXPECT_TRUE(Pack(compressor, input, room).empty()) << room;
  }
  EXPECT_EQ(Pack(compressor, input, 4000).size(), needed) << "after the failures";
}

/// Every beginning of a packed stream but the whole is refused, and the next stream unpacks.
inline void ExpectTruncationIsSeen(Compressor* compressor, Decompressor* decompressor) {
  const Bytes input = PackableBytes(400, 6);
  const Bytes packed = Pack(compressor, input, 1000);
  for (size_t size = 0; size < packed.size(); ++size) {
    const auto cut = std::span(packed).first(size);
    EXPECT_NE(Unpack(decompressor, cut, input.size()).outcome, Decompressor::Outcome::kOk) << size;
  }
  EXPECT_EQ(Unpack(decompressor, packed, input.size()).bytes, input);
}

}  // namespace pcap_zmq::testing
