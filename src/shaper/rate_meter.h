// SPDX-License-Identifier: MIT
//
// How fast traffic comes, over a sliding window.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace pcap_zmq {

/// Bytes and packets of the last window, to a twentieth of it.
/// Threads: one pump.
class RateMeter {
 public:
  explicit RateMeter(Nanoseconds window);

  /// Adds what was captured at monotonic time `now`; times never go back.
  void Add(Nanoseconds now, uint64_t bytes, uint64_t packets);

  /// Averages over the window that ends at `now`.
  uint64_t BytesPerSecond(Nanoseconds now);
  uint64_t PacketsPerSecond(Nanoseconds now);

 private:
  static constexpr int64_t kSlots = 20;
  struct Slot {
    uint64_t bytes = 0;
    uint64_t packets = 0;
  };

  void Advance(Nanoseconds now);
  uint64_t PerSecond(uint64_t amount) const;

  const Nanoseconds slot_duration_;
  std::array<Slot, kSlots> slots_{};
  int64_t current_ = 0;  // number of the slot that time is in
  Slot sum_;
};

}  // namespace pcap_zmq
