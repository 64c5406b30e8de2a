// SPDX-License-Identifier: MIT
//
// Time as the pipe uses it: a monotonic clock for intervals and the wall clock for packet
// timestamps.  Injected wherever a decision depends on time, so that tests own it.
#pragma once

#include <cstdint>
#include <ctime>

namespace pcap_zmq {

/// Nanoseconds.  Differences and deadlines use monotonic values, timestamps use wall values; the
/// two are never mixed.
using Nanoseconds = int64_t;

inline constexpr Nanoseconds kNanosPerMicro = 1'000;
inline constexpr Nanoseconds kNanosPerMilli = 1'000'000;
inline constexpr Nanoseconds kNanosPerSecond = 1'000'000'000;

/// Where time comes from.  Implementations are safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Nanoseconds since an arbitrary start; never goes back, is not moved by clock steps.
  virtual Nanoseconds MonotonicNow() const = 0;
  /// Nanoseconds since the Unix epoch (UTC); may step.
  virtual Nanoseconds WallNow() const = 0;
};

/// The kernel's clocks.
class SystemClock final : public Clock {
 public:
  Nanoseconds MonotonicNow() const override { return Read(CLOCK_MONOTONIC); }
  Nanoseconds WallNow() const override { return Read(CLOCK_REALTIME); }

 private:
  static Nanoseconds Read(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);
    return static_cast<Nanoseconds>(now.tv_sec) * kNanosPerSecond + now.tv_nsec;
  }
};

}  // namespace pcap_zmq
