// SPDX-License-Identifier: MIT
//
// What the fuzz targets share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace pcap_zmq::testing {

/// Ends the process when a property does not hold, in every build type: the fuzzer keeps the input
/// and the replay fails.
inline void Require(bool holds, const char* property) {
  if (!holds) {
    std::fprintf(stderr, "does not hold: %s\n", property);
    std::abort();
  }
}

/// The fuzzer's input, taken from its front; zeros when it has run out.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }

  /// An integer of `bytes` bytes, little-endian.
  uint64_t Number(size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; ++i) {
      const auto byte = Take(1);
      number |= uint64_t{byte.empty() ? uint8_t{0} : byte[0]} << (8 * i);
    }
    return number;
  }

  /// The next `size` bytes, or fewer at the end.
  std::span<const uint8_t> Take(size_t size) {
    const auto taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace pcap_zmq::testing
