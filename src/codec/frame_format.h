// SPDX-License-Identifier: MIT
//
// The header of a frame; README.md in this folder specifies it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/drop_reason.h"
#include "base/link_type.h"

namespace pcap_zmq {

inline constexpr size_t kFrameHeaderBytes = 48;
/// "PZPF" as a little-endian integer.
inline constexpr uint32_t kFrameMagic = 0x46505a50;
inline constexpr uint8_t kFrameVersion = 1;

/// What the sender fills frames to that it squashes; only a single larger packet makes a larger
/// one.
inline constexpr size_t kFrameRawTarget = size_t{64} * 1024;
/// What it fills other frames to: a whole kernel batch, so that each costs one message.
inline constexpr size_t kPlainFrameTarget = size_t{128} * 1024;
/// What the receiver accepts.
inline constexpr size_t kMaxFrameRawBytes = size_t{1024} * 1024;
inline constexpr size_t kMaxControlBytes = size_t{16} * 1024;

/// How a payload is packed.
enum class Codec : uint8_t { kPlain = 0, kZlib = 1, kZstd = 2 };

struct FrameHeader {
  Codec codec = Codec::kPlain;
  bool control = false;
  bool last = false;
  LinkType link_type = LinkType::kRaw;
  uint32_t packet_count = 0;
  uint64_t stream_id = 0;
  uint64_t sequence = 0;
  uint64_t first_ordinal = 0;
  uint32_t raw_length = 0;
};

/// Writes the kFrameHeaderBytes of `header` to `to`.
void WriteFrameHeader(const FrameHeader& header, uint8_t* to);

/// Reads and checks the header of `frame`.
/// Errors:  nullopt, with the cause in `reason`; a header that is returned keeps all of the limits.
std::optional<FrameHeader> ParseFrameHeader(std::span<const uint8_t> frame, RejectReason* reason);

}  // namespace pcap_zmq
