// SPDX-License-Identifier: MIT
//
// How hard to compress so that the pump keeps up with the kernel.
#pragma once

#include "base/clock.h"
#include "base/stats.h"

namespace pcap_zmq {

/// Steps the effort down when the pump has no time left and up when it has.
/// Threads: one pump.
class EffortController {
 public:
  /// `has_fast_step`: the codec has a level that is faster than the one asked for.
  explicit EffortController(bool has_fast_step) : has_fast_step_(has_fast_step) {}

  /// The pump has waited for packets for `duration`.
  void NoteIdle(Nanoseconds duration) { idle_ += duration; }

  /// Call at least a few times a second with the monotonic time.
  void Update(Nanoseconds now);

  SquashEffort effort() const { return effort_; }

 private:
  void StepDown(Nanoseconds now);
  void StepUp(Nanoseconds now);

  const bool has_fast_step_;
  SquashEffort effort_ = SquashEffort::kFull;
  Nanoseconds idle_ = 0;
  Nanoseconds interval_start_ = 0;
  Nanoseconds relaxed_since_ = 0;  // 0: not relaxed
  Nanoseconds last_step_up_ = 0;
  Nanoseconds patience_ = kNanosPerSecond;  // how long to be relaxed before stepping up
};

}  // namespace pcap_zmq
