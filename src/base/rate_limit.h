// SPDX-License-Identifier: MIT
//
// How often something may be said.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace pcap_zmq {

/// Allows `burst` uses at once and one more each `interval`.
/// Threads: one.
class RateLimit {
 public:
  RateLimit(int burst, Nanoseconds interval)
      : burst_(burst), interval_(interval), credit_(burst * interval) {}

  /// Whether it may be said now; if so `*unsaid` is how often it was not since the last time.
  bool Take(Nanoseconds now, uint64_t* unsaid) {
    if (last_ != 0) {
      credit_ = std::min(credit_ + (now - last_), burst_ * interval_);
    }
    last_ = now;
    if (credit_ < interval_) {
      ++unsaid_;
      return false;
    }
    credit_ -= interval_;
    *unsaid = unsaid_;
    unsaid_ = 0;
    return true;
  }

 private:
  Nanoseconds burst_;
  Nanoseconds interval_;
  Nanoseconds credit_;  // time saved up
  Nanoseconds last_ = 0;
  uint64_t unsaid_ = 0;
};

}  // namespace pcap_zmq
