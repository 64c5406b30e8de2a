// SPDX-License-Identifier: MIT
//
// How many packets the kernel is to put into one NFLOG batch.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace pcap_zmq {

/// How fast a group's packets come, as the size of its batches follows it.
///
/// Makes up nine tenths of a rise within 100 ms, so that few of a burst's packets are handed over
/// one by one, and half of a fall in 0.17 s, so that a pause does not undo the batches.  A few
/// packets at once are no burst: a rise counts by what it brings in tens of milliseconds.
/// Threads: one pump.
class GroupRate {
 public:
  /// Takes note that `captured` packets have come in all by monotonic time `now`, which never goes
  /// back.  Any interval will do; the shorter, the sooner a burst is seen.
  void Update(Nanoseconds now, uint64_t captured);

  uint64_t packets_per_second() const;

 private:
  Nanoseconds updated_at_ = 0;
  uint64_t captured_ = 0;
  double rate_ = 0;
};

/// The largest batch that a source which follows the rate asks the kernel for.
inline constexpr uint32_t kMaxNflogThreshold = 512;

/// The batch size for a group whose batches are now of `current` packets: what comes in `latency`
/// and a quarter more, so that a large batch saves work and none is waited for long.  It stays
/// `current` while that holds 1 to 1.5 times what comes in `latency`, so that it does not flap.
uint32_t FollowThreshold(uint32_t current, uint64_t packets_per_second, Nanoseconds latency);

}  // namespace pcap_zmq
