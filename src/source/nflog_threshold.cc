// SPDX-License-Identifier: MIT
#include "source/nflog_threshold.h"

#include <algorithm>
#include <cmath>

namespace pcap_zmq {
namespace {

// In which the difference to a new rate falls to 1/e.  While the estimate falls, packets may wait
// for the kernel's timer; even from the largest batches it has fallen within two seconds.
constexpr Nanoseconds kRise = 40 * kNanosPerMilli;
constexpr Nanoseconds kFall = 250 * kNanosPerMilli;

}  // namespace

void GroupRate::Update(Nanoseconds now, uint64_t captured) {
  if (now <= updated_at_) {
    return;
  }
  const auto elapsed = static_cast<double>(now - updated_at_);
  const double measured = static_cast<double>(captured - captured_) * kNanosPerSecond / elapsed;
  const Nanoseconds pace = measured > rate_ ? kRise : kFall;
  rate_ += (measured - rate_) * -std::expm1(-elapsed / static_cast<double>(pace));
  updated_at_ = now;
  captured_ = captured;
}

uint64_t GroupRate::packets_per_second() const {
  return static_cast<uint64_t>(std::llround(rate_));
}

uint32_t FollowThreshold(uint32_t current, uint64_t packets_per_second, Nanoseconds latency) {
  const double packets = static_cast<double>(packets_per_second) * static_cast<double>(latency) /
                         static_cast<double>(kNanosPerSecond);
  const auto wanted =
      static_cast<uint32_t>(std::clamp<double>(packets * 1.25, 1, kMaxNflogThreshold));
  const bool fits = packets <= current && current <= packets * 1.5;
  return fits && wanted > 1 ? current : wanted;
}

}  // namespace pcap_zmq
