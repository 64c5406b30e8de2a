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
    sum_ = {};
    current_ = slot;
    return;
  }
  while (current_ < slot) {
    ++current_;
    Slot& oldest = slots_[static_cast<size_t>(current_ % kSlots)];
    sum_.bytes -= oldest.bytes;
    sum_.packets -= oldest.packets;
    oldest = {};
  }
}

void RateMeter::Add(Nanoseconds now, uint64_t bytes, uint64_t packets) {
  Advance(now);
  Slot& slot = slots_[static_cast<size_t>(current_ % kSlots)];
  slot.bytes += bytes;
  slot.packets += packets;
  sum_.bytes += bytes;
  sum_.packets += packets;
}

uint64_t RateMeter::PerSecond(uint64_t amount) const {
  const double window = static_cast<double>(slot_duration_) * kSlots;
  return static_cast<uint64_t>(static_cast<double>(amount) * kNanosPerSecond / window);
}

uint64_t RateMeter::BytesPerSecond(Nanoseconds now) {
  Advance(now);
  return PerSecond(sum_.bytes);
}

uint64_t RateMeter::PacketsPerSecond(Nanoseconds now) {
  Advance(now);
  return PerSecond(sum_.packets);
}

}  // namespace pcap_zmq
