// SPDX-License-Identifier: MIT
#include "shaper/rate_meter.h"

#include <algorithm>

namespace pcap_zmq {

RateMeter::RateMeter(Nanoseconds window)
    : slot_duration_(std::max<Nanoseconds>(window / kSlots, 1)) {}

void RateMeter::Advance(Nanoseconds now) {
  const int64_t slot = now / slot_duration_;
  if (slot - current_ >= kSlots) {
    slots_ = {};
    sum_ = 0;
    current_ = slot;
    return;
  }
  while (current_ < slot) {
    ++current_;
    uint64_t& oldest = slots_[static_cast<size_t>(current_ % kSlots)];
    sum_ -= oldest;
    oldest = 0;
  }
}

void RateMeter::Add(Nanoseconds now, uint64_t bytes) {
  Advance(now);
  slots_[static_cast<size_t>(current_ % kSlots)] += bytes;
  sum_ += bytes;
}

uint64_t RateMeter::BytesPerSecond(Nanoseconds now) {
  Advance(now);
  const double window = static_cast<double>(slot_duration_) * kSlots;
  return static_cast<uint64_t>(static_cast<double>(sum_) * kNanosPerSecond / window);
}

}  // namespace pcap_zmq
