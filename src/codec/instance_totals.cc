// SPDX-License-Identifier: MIT
#include "codec/instance_totals.h"

#include <algorithm>

namespace pcap_zmq {
namespace {

void AddCounts(const SenderTotals& from, SenderTotals* to) {
  to->captured_packets += from.captured_packets;
  to->sent_packets += from.sent_packets;
  to->sent_bytes += from.sent_bytes;
  to->kernel_lost_packets += from.kernel_lost_packets;
  for (size_t i = 0; i < from.dropped_packets.size(); ++i) {
    to->dropped_packets[i] += from.dropped_packets[i];
  }
}

}  // namespace

void InstanceTotals::Report(uint64_t instance, const SenderTotals& totals, bool last,
                            Nanoseconds age) {
  Instance* const known = FindOrAdd(instance, age);
  if (known == nullptr) {
    return;
  }
  newest_ = age;
  known->heard = age;
  known->ended = last;
  // Reports of one process come by all of its connections and may overtake each other.
  const bool is_old = instance != 0 && (totals.captured_packets < known->totals.captured_packets ||
                                        totals.sent_packets < known->totals.sent_packets);
  if (!is_old) {
    known->totals = totals;
  }
}

SenderTotals InstanceTotals::Sum() const {
  SenderTotals sum = past_;
  const Instance* latest = nullptr;
  bool any_reports = false;
  for (const Instance& instance : instances_) {
    AddCounts(instance.totals, &sum);
    if (latest == nullptr || instance.heard >= latest->heard) {
      latest = &instance;
    }
    if (!IsSilent(instance, newest_)) {
      sum.rate_bytes_per_second += instance.totals.rate_bytes_per_second;
      sum.state = std::max(sum.state, instance.totals.state);
      any_reports = true;
    }
  }
  if (!any_reports && latest != nullptr) {
    sum.rate_bytes_per_second = latest->totals.rate_bytes_per_second;
    sum.state = latest->totals.state;
  }
  return sum;
}

InstanceTotals::Instance* InstanceTotals::FindOrAdd(uint64_t id, Nanoseconds age) {
  const auto found = std::find_if(instances_.begin(), instances_.end(),
                                  [id](const Instance& instance) { return instance.id == id; });
  if (found != instances_.end()) {
    return &*found;
  }
  if (instances_.size() < kMaxInstances) {
    instances_.emplace_back().id = id;
    return &instances_.back();
  }
  const auto oldest =
      std::min_element(instances_.begin(), instances_.end(), [](const auto& a, const auto& b) {
        return a.ended != b.ended ? a.ended : a.heard < b.heard;
      });
  if (!IsSilent(*oldest, age)) {
    return nullptr;
  }
  AddCounts(oldest->totals, &past_);
  *oldest = Instance();
  oldest->id = id;
  return &*oldest;
}

}  // namespace pcap_zmq
