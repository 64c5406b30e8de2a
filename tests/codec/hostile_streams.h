// SPDX-License-Identifier: MIT
//
// Small packed streams that unpack to very much.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/byte_io.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// `input` as a zlib stream.
inline Bytes ZlibOf(std::span<const uint8_t> input) {
  uLongf size = compressBound(static_cast<uLong>(input.size()));
  Bytes packed(size);
  if (compress2(packed.data(), &size, input.data(), static_cast<uLong>(input.size()), 6) != Z_OK) {
    std::abort();
  }
  packed.resize(size);
  return packed;
}

/// A valid zlib stream of `chunk` repeated `times`.  The chunk is packed once: a full flush ends it
/// at a byte boundary and lets the next one begin without history.
inline Bytes ZlibOfRepeated(std::span<const uint8_t> chunk, size_t times) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  Bytes packed(deflateBound(&stream, static_cast<uLong>(chunk.size())) + 64);
  stream.next_in = const_cast<Bytef*>(chunk.data());
  stream.avail_in = static_cast<uInt>(chunk.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FULL_FLUSH);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);

  Bytes whole = {0x78, 0x01};
  const uLong adler_of_one = adler32(1, chunk.data(), static_cast<uInt>(chunk.size()));
  uLong adler = 1;
  for (size_t i = 0; i < times; ++i) {
    whole.insert(whole.end(), packed.begin(), packed.end());
    adler = adler32_combine(adler, adler_of_one, static_cast<z_off_t>(chunk.size()));
  }
  const uint8_t empty_last_block[] = {0x03, 0x00};
  whole.insert(whole.end(), std::begin(empty_last_block), std::end(empty_last_block));
  Bytes sum(4);
  StoreBe<uint32_t>(sum.data(), static_cast<uint32_t>(adler));
  whole.insert(whole.end(), sum.begin(), sum.end());
  return whole;
}

/// A valid zstd frame of zeros, `length` bytes (a multiple of 128 KiB) when unpacked.
/// Source:  RFC 8878 section 3.1.1: run-length blocks, a window of 128 KiB, no content size.
inline Bytes ZstdOfZeros(size_t length) {
  constexpr uint32_t kBlockBytes = 128 * 1024;
  constexpr uint32_t kRunLengthBlock = 1;
  Bytes packed = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38};
  for (size_t blocks = length / kBlockBytes; blocks > 0; --blocks) {
    const uint32_t header = kBlockBytes << 3 | kRunLengthBlock << 1 | (blocks == 1 ? 1 : 0);
    const uint8_t block[] = {static_cast<uint8_t>(header), static_cast<uint8_t>(header >> 8),
                             static_cast<uint8_t>(header >> 16), 0};
    packed.insert(packed.end(), std::begin(block), std::end(block));
  }
  return packed;
}

}  // namespace pcap_zmq::testing
