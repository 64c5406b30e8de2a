// SPDX-License-Identifier: MIT
#include "shaper/effort_controller.h"

#include <algorithm>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kInterval = 50 * kNanosPerMilli;
constexpr double kBusyIdleShare = 0.02;
constexpr double kRelaxedIdleShare = 0.3;
constexpr Nanoseconds kLeastPatience = kNanosPerSecond;
constexpr Nanoseconds kMostPatience = 30 * kNanosPerSecond;

}  // namespace

void EffortController::Update(Nanoseconds now) {
  const Nanoseconds elapsed = now - interval_start_;
  if (elapsed < kInterval) {
    return;
  }
  const double idle_share = static_cast<double>(idle_) / static_cast<double>(elapsed);
  const bool first = interval_start_ == 0;
  interval_start_ = now;
  idle_ = 0;
  if (first) {
    return;
  }
  if (idle_share < kBusyIdleShare) {
    relaxed_since_ = 0;
    StepDown(now);
  } else if (idle_share < kRelaxedIdleShare) {
    relaxed_since_ = 0;
  } else if (relaxed_since_ == 0) {
    relaxed_since_ = now;
  } else if (now - relaxed_since_ >= patience_) {
    StepUp(now);
  }
}

void EffortController::StepDown(Nanoseconds now) {
  if (last_step_up_ != 0) {
    // Going up was a mistake if it did not last: wait longer before the next attempt.
    const bool failed = now - last_step_up_ < patience_;
    patience_ = failed ? std::min(patience_ * 2, kMostPatience) : kLeastPatience;
  }
  last_step_up_ = 0;
  effort_ =
      effort_ == SquashEffort::kFull && has_fast_step_ ? SquashEffort::kFast : SquashEffort::kPlain;
}

void EffortController::StepUp(Nanoseconds now) {
  relaxed_since_ = now;
  if (effort_ == SquashEffort::kFull) {
    patience_ = kLeastPatience;
    return;
  }
  last_step_up_ = now;
  effort_ =
      effort_ == SquashEffort::kPlain && has_fast_step_ ? SquashEffort::kFast : SquashEffort::kFull;
}

}  // namespace pcap_zmq
