// SPDX-License-Identifier: MIT
//
// A group in simulated time: the kernel's batches, how long each packet waits in one, and the size
// that follows the rate.  The rate and the size are the real ones; nflog_control_test.cc holds them
// against the real kernel.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "source/nflog_threshold.h"
#include "source/packet_source.h"

namespace pcap_zmq::testing {

/// Delivers a batch when it is full or its first packet is as old as kFlush, as nfnetlink_log.c
/// does, and follows the rate when it has delivered one or nothing has come for kTick, as a pump
/// does.
class SimulatedGroup {
 public:
  static constexpr Nanoseconds kLatency = kNanosPerMilli;
  static constexpr Nanoseconds kFlush = 10 * kNanosPerMilli;
  static constexpr Nanoseconds kTick = 250 * kNanosPerMilli;

  /// Packets for `duration`, each `gap()` after the one before.
  void Run(Nanoseconds duration, const std::function<Nanoseconds()>& gap) {
    const Nanoseconds end = now_ + duration;
    for (Nanoseconds next = now_ + gap(); next <= end; next += gap()) {
      GoTo(next);
      Log();
    }
    GoTo(end);
  }
  /// Likewise, of packets that come at a steady rate.
  void RunSteadily(Nanoseconds duration, Nanoseconds packets_per_second) {
    Run(duration, [=] { return kNanosPerSecond / packets_per_second; });
  }
  /// `count` packets at once.
  void Burst(int count) {
    for (int i = 0; i < count; ++i) {
      Log();
    }
  }
  void Pause(Nanoseconds duration) { GoTo(now_ + duration); }

  uint32_t threshold() const { return threshold_; }
  uint64_t batches() const { return batches_; }
  /// The longest that a packet delivered since the last call has waited.
  Nanoseconds TakeLongestWait() { return std::exchange(longest_wait_, 0); }

 private:
  void Log() {
    waiting_.push_back(now_);
    if (waiting_.size() >= threshold_) {
      Deliver();
    }
  }

  // Lets time pass, with what it brings.
  void GoTo(Nanoseconds when) {
    while (true) {
      const Nanoseconds flush_at = waiting_.empty() ? when + 1 : waiting_.front() + kFlush;
      const Nanoseconds due = std::min(flush_at, tick_at_);
      if (due > when) {
        break;
      }
      now_ = due;
      if (due == flush_at) {
        Deliver();
      } else {
        Follow();
      }
    }
    now_ = when;
  }

  void Deliver() {
    longest_wait_ = std::max(longest_wait_, now_ - waiting_.front());
    captured_ += waiting_.size();
    waiting_.clear();
    ++batches_;
    if (now_ - followed_at_ >= kFollowInterval) {
      Follow();
    }
  }

  void Follow() {
    followed_at_ = now_;
    tick_at_ = now_ + kTick;
    rate_.Update(now_, captured_);
    threshold_ = FollowThreshold(threshold_, rate_.packets_per_second(), kLatency);
  }

  GroupRate rate_;
  uint32_t threshold_ = 1;
  Nanoseconds now_ = 1'000 * kNanosPerSecond;
  Nanoseconds followed_at_ = now_;
  Nanoseconds tick_at_ = now_ + kTick;
  std::vector<Nanoseconds> waiting_;  // when each came
  uint64_t captured_ = 0;
  uint64_t batches_ = 0;
  Nanoseconds longest_wait_ = 0;
};

}  // namespace pcap_zmq::testing
