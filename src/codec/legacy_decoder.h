// SPDX-License-Identifier: MIT
//
// Messages of the 2012 Python sender, so that a site can move over one host at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/frame.h"
#include "base/record_block.h"
#include "codec/compression.h"

namespace pcap_zmq {

inline constexpr uint8_t kLegacyPlainTag = 0x00;
inline constexpr uint8_t kLegacySquashedTag = 0x01;
/// What one squashed message may unpack to.
inline constexpr size_t kMaxLegacyInflatedBytes = size_t{64} * 1024 * 1024;

/// Turns legacy messages into record blocks.
/// Threads: not thread-safe; one per decoder.
class LegacyDecoder {
 public:
  /// Blocks take their bytes from `pool`, which outlives the decoder.
  explicit LegacyDecoder(FramePool* pool);

  struct Outcome {
    uint32_t packets = 0;
    uint64_t bytes = 0;    ///< of the records that were made
    bool damaged = false;  ///< decoding stopped before the message's end
  };

  /// Hands the packets of `message`, tag included, to `take`, block by block: all of them may be
  /// kMaxLegacyInflatedBytes.
  /// Errors:  damage ends the decoding; the packets before it are delivered.
  /// Source:  codec/README.md section 6; RFC 4506 for XDR.
  Outcome Decode(std::span<const uint8_t> message, const BlockTaker& take);
  /// As above, appending the packets to `out`.
  Outcome Decode(std::span<const uint8_t> message, std::vector<RecordBlockPtr>* out) {
    return Decode(message, AppendTo(out));
  }

 private:
  bool AppendXdrRecord(std::span<const uint8_t> record, const BlockTaker& take);
  bool DecodeSquashed(std::span<const uint8_t> stream, const BlockTaker& take);
  void Emit(const BlockTaker& take);

  FramePool* const pool_;
  const std::unique_ptr<ZlibStreamReader> inflater_;
  std::vector<uint8_t> scratch_;  // one unpacked XDR record

  Outcome outcome_;
  Frame current_;  // records of the block under construction
  size_t current_bytes_ = 0;
  uint32_t current_packets_ = 0;
};

}  // namespace pcap_zmq
