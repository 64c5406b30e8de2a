// SPDX-License-Identifier: MIT
//
// A captured packet and the batch in which packets travel from a source to the encoder.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"

namespace pcap_zmq {

/// A view of one captured IP packet.
/// Units:   `timestamp` nanoseconds since the Unix epoch (UTC), lengths in bytes.
/// Owns:    nothing; `data` lives as long as the batch it came from is neither cleared nor
/// refilled.
struct Packet {
  Nanoseconds timestamp = 0;
  const uint8_t* data = nullptr;
  uint32_t captured_length = 0;  ///< bytes at `data`
  uint32_t original_length = 0;  ///< bytes of the packet on the wire, >= captured_length
};

/// The largest captured length that any source hands on and any reader accepts (libpcap's
/// MAXIMUM_SNAPLEN).
inline constexpr uint32_t kMaxCapturedLength = 262'144;

/// Packets read together, with the arena that holds their bytes; reused from read to read.
///
/// A source either receives straight into arena() and adds views, or appends copies.
/// Threads: not thread-safe; belongs to one pump.
class PacketBatch {
 public:
  /// `arena_bytes` is fixed for the batch's life.
  explicit PacketBatch(size_t arena_bytes)
      : arena_(std::make_unique<uint8_t[]>(arena_bytes)), arena_bytes_(arena_bytes) {}
  PacketBatch(PacketBatch&&) = default;
  PacketBatch& operator=(PacketBatch&&) = default;

  /// Forgets the packets and frees the arena for reuse.
  void Clear() {
    packets_.clear();
    used_ = 0;
    captured_bytes_ = 0;
  }

  /// The whole arena, for sources that receive into it.
  std::span<uint8_t> arena() { return {arena_.get(), arena_bytes_}; }

  /// Adds a view; its bytes must outlive the batch's next Clear().
  void Add(const Packet& packet) {
    packets_.push_back(packet);
    captured_bytes_ += packet.captured_length;
  }

  /// Copies `packet`'s bytes into the arena and adds a view of the copy.
  /// Errors:  false, and nothing added, when the arena has no room left.
  bool Append(const Packet& packet) {
    if (arena_bytes_ - used_ < packet.captured_length) {
      return false;
    }
    uint8_t* copy = arena_.get() + used_;
    if (packet.captured_length > 0) {  // an empty packet may have no address
      std::memcpy(copy, packet.data, packet.captured_length);
    }
    used_ += packet.captured_length;
    Add({packet.timestamp, copy, packet.captured_length, packet.original_length});
    return true;
  }

  std::span<const Packet> packets() const { return packets_; }
  bool empty() const { return packets_.empty(); }
  size_t size() const { return packets_.size(); }
  /// Sum of the packets' captured lengths.
  uint64_t captured_bytes() const { return captured_bytes_; }

 private:
  std::unique_ptr<uint8_t[]> arena_;
  size_t arena_bytes_;
  size_t used_ = 0;
  uint64_t captured_bytes_ = 0;
  std::vector<Packet> packets_;
};

}  // namespace pcap_zmq
