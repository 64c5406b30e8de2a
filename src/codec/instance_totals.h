// SPDX-License-Identifier: MIT
//
// What the processes of one sender's name say that they have done, added up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/stats.h"

namespace pcap_zmq {

/// The totals of a sender over its instances: several programs of one name, one after another or at
/// the same time.
///
/// Counts never fall when an instance ends, since its packets stay counted too.  Rate and state are
/// those of the instances that still report.
/// Units:   `age` is the caller's measure of time; it never falls.
/// Threads: not thread-safe; SenderTable guards it.
class InstanceTotals {
 public:
  /// So many instances are told apart.  Those that have ended, and then those that have been silent
  /// for kSilentTime, give their place to others, which keeps what they had counted.  Where all
  /// report, one more is not counted, rather than again and again.
  static constexpr size_t kMaxInstances = 32;
  static constexpr Nanoseconds kSilentTime = 30 * kNanosPerSecond;

  /// `instance` is random for each process, or 0 for all senders that do not say: then the last
  /// report stands for all.  `last` is the last report of one of the instance's streams.
  void Report(uint64_t instance, const SenderTotals& totals, bool last, Nanoseconds age);

  SenderTotals Sum() const;

 private:
  struct Instance {
    uint64_t id = 0;
    SenderTotals totals;
    Nanoseconds heard = 0;
    bool ended = false;
  };

  Instance* FindOrAdd(uint64_t id, Nanoseconds age);
  bool IsSilent(const Instance& instance, Nanoseconds age) const {
    return instance.ended || age - instance.heard > kSilentTime;
  }

  std::vector<Instance> instances_;
  SenderTotals past_;  // the counts of those that have no place any more
  Nanoseconds newest_ = 0;
};

}  // namespace pcap_zmq
