// SPDX-License-Identifier: MIT
//
// How a sender's wall clock differs from ours, by what its reports say.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/clock.h"

namespace pcap_zmq {

/// Estimates the offset of a clock whose readings arrive some time after they were taken.
///
/// A reading that was long on its way looks like a clock that is behind, so the one that looks the
/// most ahead of the last two to four minutes counts: it was the quickest.  One that is behind it
/// by more than packets ever wait is of a clock that was set, and counts from then on. Units:
/// nanoseconds; positive where the other clock is ahead. Threads: one.
class ClockOffset {
 public:
  /// Takes in a reading of the other clock that has just arrived.
  void Report(Nanoseconds theirs, Nanoseconds ours, Nanoseconds monotonic) {
    const Nanoseconds offset = theirs - ours;
    if (now_ && offset < *value() - kLongestWait) {
      now_.reset();
    }
    if (!now_) {
      before_.reset();
      now_ = offset;
      period_ends_ = monotonic + kPeriod;
    } else if (monotonic >= period_ends_) {
      before_ = now_;
      now_ = offset;
      period_ends_ = monotonic + kPeriod;
    } else {
      now_ = std::max(*now_, offset);
    }
  }

  /// Whether readings came for so long that a clock that seems to be behind really is.
  bool settled() const { return before_.has_value(); }

  /// Nothing before the first reading.
  std::optional<Nanoseconds> value() const {
    return before_ && now_ ? std::max(*before_, *now_) : now_;
  }

 private:
  static constexpr Nanoseconds kPeriod = 120 * kNanosPerSecond;
  static constexpr Nanoseconds kLongestWait = 300 * kNanosPerSecond;

  std::optional<Nanoseconds> now_;
  std::optional<Nanoseconds> before_;
  Nanoseconds period_ends_ = 0;
};

/// By how much the packets' times of a sender are moved, so that they are at most `most` off.
///
/// It stays what it is as long as that holds: a shift that followed every estimate would bring
/// packets out of order.
/// Threads: one.
class ClockShift {
 public:
  /// True when `offset` has made it another one.
  bool Follow(Nanoseconds offset, Nanoseconds most) {
    if (std::abs(offset + shift_) <= most) {
      return false;
    }
    shift_ = std::abs(offset) > most ? -offset : 0;
    return true;
  }

  /// To be added to the times of packets; 0: they are right enough.
  Nanoseconds value() const { return shift_; }

 private:
  Nanoseconds shift_ = 0;
};

}  // namespace pcap_zmq
