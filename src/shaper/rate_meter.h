// SPDX-License-Identifier: MIT
//
// How fast traffic comes, over a sliding window.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace pcap_zmq {

/// Bytes of the last window, to a twentieth of it.
/// Threads: one pump.
class RateMeter {
 public:
  explicit RateMeter(Nanoseconds window);

  /// Adds what was captured at monotonic time `now`; times never go back.
  void Add(Nanoseconds now, uint64_t bytes);

  /// The average over the window that ends at `now`.
  uint64_t BytesPerSecond(Nanoseconds now);

 private:
  static constexpr int64_t kSlots = 20;

  void Advance(Nanoseconds now);

  const Nanoseconds slot_duration_;
  std::array<uint64_t, kSlots> slots_{};  // bytes
  int64_t current_ = 0;                   // number of the slot that time is in
  uint64_t sum_ = 0;
};

}  // namespace pcap_zmq
