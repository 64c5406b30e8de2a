// SPDX-License-Identifier: MIT
//
// How many packets the kernel is to put into one NFLOG batch.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace pcap_zmq {

/// The largest batch that a source which follows the rate asks the kernel for.
inline constexpr uint32_t kMaxNflogThreshold = 512;

/// The batch size for a group whose batches are now of `current` packets: what comes in `latency`
/// and a quarter more, so that a large batch saves work and none is waited for long.  It stays
/// `current` while that holds 1 to 1.5 times what comes in `latency`, so that it does not flap.
inline uint32_t FollowThreshold(uint32_t current, uint64_t packets_per_second,
                                Nanoseconds latency) {
  const double packets = static_cast<double>(packets_per_second) * static_cast<double>(latency) /
                         static_cast<double>(kNanosPerSecond);
  const auto wanted =
      static_cast<uint32_t>(std::clamp<double>(packets * 1.25, 1, kMaxNflogThreshold));
  const bool fits = packets <= current && current <= packets * 1.5;
  return fits && wanted > 1 ? current : wanted;
}

}  // namespace pcap_zmq
