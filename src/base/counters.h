// SPDX-License-Identifier: MIT
//
// Numbers that one thread writes on the packet path and any thread reads at a scrape.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/drop_reason.h"

namespace pcap_zmq {

inline constexpr size_t kCacheLine = 64;

/// A count that only grows.  Add() from one thread, Value() from any.
class alignas(kCacheLine) Counter {
 public:
  void Add(uint64_t n = 1) {
    // One writer: no read-modify-write on the bus.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// For a count that is kept elsewhere; `total` never goes back.
  void AdvanceTo(uint64_t total) { value_.store(total, std::memory_order_relaxed); }
  uint64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// A value that moves.  Value() from any thread; either Set() from one, or Add() from any.
class alignas(kCacheLine) Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  int64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// One counter a reason.
template <typename Reason>
class ReasonCounters {
 public:
  void Add(Reason reason, uint64_t n = 1) { counters_[static_cast<size_t>(reason)].Add(n); }
  uint64_t Value(Reason reason) const { return counters_[static_cast<size_t>(reason)].Value(); }
  uint64_t Total() const {
    uint64_t total = 0;
    for (const Counter& counter : counters_) {
      total += counter.Value();
    }
    return total;
  }

 private:
  std::array<Counter, kReasonCount<Reason>> counters_;
};

/// A histogram of durations with fixed bounds, from 20 us to 30 s.
/// Threads: Observe() from one thread, readers anywhere; a reader may see an observation in its
///          bucket before it is in the sum.
class LatencyHistogram {
 public:
  static constexpr Nanoseconds kLongest = 3600 * kNanosPerSecond;
  static constexpr std::array<Nanoseconds, 20> kBounds = {
      20 * kNanosPerMicro,  50 * kNanosPerMicro,  100 * kNanosPerMicro, 200 * kNanosPerMicro,
      500 * kNanosPerMicro, 1 * kNanosPerMilli,   2 * kNanosPerMilli,   5 * kNanosPerMilli,
      10 * kNanosPerMilli,  20 * kNanosPerMilli,  50 * kNanosPerMilli,  100 * kNanosPerMilli,
      200 * kNanosPerMilli, 500 * kNanosPerMilli, 1 * kNanosPerSecond,  2 * kNanosPerSecond,
      5 * kNanosPerSecond,  10 * kNanosPerSecond, 20 * kNanosPerSecond, 30 * kNanosPerSecond};

  /// Counts `n` observations of `latency`.  Clocks that disagree and captures of long ago give
  /// negative and huge ones: they count as 0 and as kLongest, so that the sum cannot overflow.
  void Observe(Nanoseconds latency, uint64_t n) {
    latency = std::clamp<Nanoseconds>(latency, 0, kLongest);
    size_t bucket = 0;
    while (bucket < kBounds.size() && latency > kBounds[bucket]) {
      ++bucket;
    }
    buckets_[bucket].Add(n);
    sum_micros_.Add(static_cast<uint64_t>((latency + kNanosPerMicro / 2) / kNanosPerMicro) * n);
  }

  /// Observations in bucket `i`, not cumulated; bucket kBounds.size() holds what exceeds all
  /// bounds.
  uint64_t BucketValue(size_t i) const { return buckets_[i].Value(); }
  /// Sum of all observations, each rounded to microseconds.
  uint64_t SumMicros() const { return sum_micros_.Value(); }

 private:
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter sum_micros_;
};

}  // namespace pcap_zmq
