// SPDX-License-Identifier: MIT
#include "metrics/page_cache.h"

#include <algorithm>

namespace pcap_zmq {

std::shared_ptr<const std::string> PageCache::Get() {
  const Nanoseconds asked = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  const Nanoseconds now = clock_->MonotonicNow();
  // A longer pause fills it as well, and the product stays small.
  const Nanoseconds passed = std::min(now - budget_at_, 4 * kNanosPerSecond);
  budget_at_ = now;
  budget_ = std::min(budget_ + passed * kBytesPerSecond / kNanosPerSecond, kBurstBytes);
  const bool is_fresh = begun_at_ > asked;
  const bool is_enough = budget_ <= 0 && now - begun_at_ < kLongestAge;
  if (page_ == nullptr || (!is_fresh && !is_enough)) {
    begun_at_ = now;
    page_ = std::make_shared<const std::string>(make_());
    // A page that is larger than a second's budget does not put off the next for ever.
    budget_ = std::max(budget_ - static_cast<int64_t>(page_->size()), -kBytesPerSecond);
  }
  return page_;
}

}  // namespace pcap_zmq
