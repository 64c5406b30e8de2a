// SPDX-License-Identifier: MIT
//
// A clock that moves only when the test moves it.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace pcap_zmq::testing {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(Nanoseconds wall = 1'700'000'000 * kNanosPerSecond) : wall_(wall) {}

  Nanoseconds MonotonicNow() const override { return monotonic_; }
  Nanoseconds WallNow() const override { return wall_; }

  void Advance(Nanoseconds by) {
    monotonic_ += by;
    wall_ += by;
  }
  void StepWall(Nanoseconds by) { wall_ += by; }

 private:
  std::atomic<Nanoseconds> monotonic_{kNanosPerSecond};
  std::atomic<Nanoseconds> wall_;
};

}  // namespace pcap_zmq::testing
