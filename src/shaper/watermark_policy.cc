// SPDX-License-Identifier: MIT
#include "shaper/watermark_policy.h"

#include <algorithm>
#include <numeric>

namespace pcap_zmq {
namespace {

constexpr double kBucketSeconds = 0.05;
constexpr double kLeaveSquash = 0.9;  // of the low watermark

// Preferred flows are held between these parts of the budget; the rest goes to whoever comes.
constexpr Nanoseconds kPreferenceInterval = 100 * kNanosPerMilli;
constexpr double kPreferredTarget = 0.9;
constexpr double kPreferredLow = 0.8;
constexpr double kPreferredHigh = 0.97;
// Of the budget: below it there is no need to choose.
constexpr double kLeaveChoosing = 0.95;
// Weight of the last interval in a slot's average load.
constexpr double kLoadWeight = 0.25;

// Weight of the last frame in the running estimate of how well frames pack.
constexpr double kRatioWeight = 0.125;

double Seconds(Nanoseconds duration) {
  return static_cast<double>(duration) / static_cast<double>(kNanosPerSecond);
}

}  // namespace

WatermarkPolicy::WatermarkPolicy(const WatermarkOptions& options)
    : options_(options),
      random_(options.seed),
      hash_(random_()),
      capacity_(static_cast<double>(options.high) * kBucketSeconds),
      meter_(options.window),
      tokens_(capacity_) {}

void WatermarkPolicy::Observe(Nanoseconds now, uint64_t bytes) {
  if (now_ != 0) {
    // What is reserved does not count against the capacity: it will be spent.
    tokens_ = std::min(capacity_ + ReservedWire(),
                       tokens_ + static_cast<double>(options_.high) * Seconds(now - now_));
  }
  now_ = now;
  meter_.Add(now, bytes);
  AdaptPreference(now);
  if (options_.low == 0) {
    return;
  }
  const auto rate = static_cast<double>(meter_.BytesPerSecond(now));
  const auto low = static_cast<double>(options_.low);
  const bool budget_low = options_.high != 0 && Available() < capacity_ / 2;
  if (rate > low || budget_low) {
    squash_ = true;
  } else if (rate < low * kLeaveSquash) {
    squash_ = false;
  }
}

ShaperState WatermarkPolicy::state() const {
  if (has_shed_ && now_ - last_shed_ <= options_.window) {
    return ShaperState::kShed;
  }
  return squash_ ? ShaperState::kSquash : ShaperState::kPass;
}

bool WatermarkPolicy::AdmitsAll(uint64_t raw_bytes) const {
  return options_.high == 0 ||
         (!choosing_ &&
          Available() - static_cast<double>(raw_bytes) * wire_per_raw_ > capacity_ / 2);
}

void WatermarkPolicy::Reserve(uint64_t raw_bytes) {
  reserved_raw_ += raw_bytes;
  interval_offered_ += static_cast<double>(raw_bytes) * wire_per_raw_;
}

bool WatermarkPolicy::Admit(const Packet& packet, uint64_t raw_bytes) {
  if (options_.high == 0) {
    return true;
  }
  const double wire_bytes = static_cast<double>(raw_bytes) * wire_per_raw_;
  interval_offered_ += wire_bytes;
  bool preferred = true;
  if (choosing_) {
    const size_t slot = SlotOf(packet);
    slot_offered_[slot] += wire_bytes;
    preferred = preferred_[slot];
  }
  if (Available() <= (preferred ? 0 : capacity_ / 2)) {
    last_shed_ = now_;
    has_shed_ = true;
    return false;
  }
  reserved_raw_ += raw_bytes;
  return true;
}

// The hash that spreads flows over endpoints will not do: all senders agree on it, so anybody can
// find flows that share it, and fill the slot of a flow that is to be shed.
size_t WatermarkPolicy::SlotOf(const Packet& packet) const {
  static_assert(kSlots == 1U << 10);
  return hash_(packet.data, packet.captured_length) >> (32 - 10);
}

void WatermarkPolicy::Settle(uint64_t raw_bytes, uint64_t wire_bytes) {
  reserved_raw_ -= std::min(reserved_raw_, raw_bytes);
  if (wire_bytes == 0 || raw_bytes == 0) {
    return;
  }
  tokens_ -= static_cast<double>(wire_bytes);
  const double ratio = static_cast<double>(wire_bytes) / static_cast<double>(raw_bytes);
  // Small frames are mostly header and say nothing of how well traffic packs.
  if (raw_bytes >= 4096) {
    wire_per_raw_ += (std::min(ratio, 1.0) - wire_per_raw_) * kRatioWeight;
  }
}

void WatermarkPolicy::AdaptPreference(Nanoseconds now) {
  const Nanoseconds elapsed = now - interval_start_;
  if (options_.high == 0 || elapsed < kPreferenceInterval) {
    return;
  }
  const double budget = static_cast<double>(options_.high) * Seconds(elapsed);
  if (choosing_) {
    MeasureSlots(budget);
    ChooseSlots();
  } else if (interval_offered_ > budget) {
    // Everybody is preferred for an interval, in which the slots are measured.
    choosing_ = true;
    has_measured_ = false;
    preferred_.set();
    slot_offered_ = {};
  }
  interval_start_ = now;
  interval_offered_ = 0;
}

void WatermarkPolicy::MeasureSlots(double budget) {
  const double weight = has_measured_ ? kLoadWeight : 1.0;
  has_measured_ = true;
  for (size_t i = 0; i < kSlots; ++i) {
    slot_load_[i] += (slot_offered_[i] / budget - slot_load_[i]) * weight;
    slot_offered_[i] = 0;
  }
}

// Leaves the choice alone while it is good enough, so that flows stay whole.
void WatermarkPolicy::ChooseSlots() {
  const double total = std::accumulate(slot_load_.begin(), slot_load_.end(), 0.0);
  if (total < kLeaveChoosing) {
    choosing_ = false;
    return;
  }
  double share = 0;
  for (size_t i = 0; i < kSlots; ++i) {
    share += preferred_[i] ? slot_load_[i] : 0;
  }
  if (share >= kPreferredLow && share <= kPreferredHigh) {
    return;
  }
  // The first slots that fit, from a random one on: a slot with more than is left, such as an
  // elephant's, is passed over.  Too little is chosen from all, too much from those that are
  // preferred already.
  double left = kPreferredTarget - (share < kPreferredLow ? share : 0);
  const size_t start = random_() % kSlots;
  for (size_t step = 0; step < kSlots; ++step) {
    const size_t i = (start + step) % kSlots;
    if (preferred_[i] == (share > kPreferredHigh)) {
      preferred_[i] = slot_load_[i] <= left;
      left -= preferred_[i] ? slot_load_[i] : 0;
    }
  }
}

}  // namespace pcap_zmq
