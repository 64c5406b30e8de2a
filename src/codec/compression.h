// SPDX-License-Identifier: MIT
//
// Packing and unpacking of payloads, with the library behind it hidden.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "codec/frame_format.h"

namespace pcap_zmq {

/// Packs payloads one by one; keeps its working memory between calls.
/// Threads: one owner.
class Compressor {
 public:
  virtual ~Compressor() = default;
  virtual Codec codec() const = 0;
  /// Packs `input` into `output`.
  /// Errors:  0 when the result does not fit `output`, which the caller makes smaller than the
  ///          input to learn that packing does not pay.
  virtual size_t Compress(std::span<const uint8_t> input, std::span<uint8_t> output) = 0;
};

/// Unpacks payloads one by one; keeps its working memory between calls.
/// Threads: one owner.
class Decompressor {
 public:
  enum class Outcome {
    kOk,
    kDamaged,      ///< the input is not of this codec
    kWrongLength,  ///< the input does not unpack to exactly the output's size
  };
  virtual ~Decompressor() = default;
  /// Unpacks all of `input` into all of `output`; never writes past it.
  virtual Outcome Decompress(std::span<const uint8_t> input, std::span<uint8_t> output) = 0;
};

/// Levels as the libraries know them: zlib 1..9; zstd -7..19 without 0, where negative is faster.
inline constexpr int kZlibDefaultLevel = 1;
inline constexpr int kZlibFastestLevel = 1;
inline constexpr int kZstdDefaultLevel = 1;
inline constexpr int kZstdFastestLevel = -7;

std::unique_ptr<Compressor> MakeZlibCompressor(int level);
std::unique_ptr<Compressor> MakeZstdCompressor(int level);
std::unique_ptr<Decompressor> MakeZlibDecompressor();
std::unique_ptr<Decompressor> MakeZstdDecompressor();

/// Unpacks a zlib stream of unknown length piece by piece.
/// Threads: one owner.
class ZlibStreamReader {
 public:
  virtual ~ZlibStreamReader() = default;
  /// Starts over with `input`, which must outlive the reading.
  virtual void Start(std::span<const uint8_t> input) = 0;
  /// Fills `output` as far as the stream goes.
  /// Shape:   fewer bytes than asked for mean that the stream has ended.
  /// Errors:  the bytes before damage are returned; damaged() tells then.
  virtual size_t Read(std::span<uint8_t> output) = 0;
  virtual bool damaged() const = 0;
};
std::unique_ptr<ZlibStreamReader> MakeZlibStreamReader();

}  // namespace pcap_zmq
