// SPDX-License-Identifier: MIT
//
// Waiting for something that another process or thread brings about.
#pragma once

#include <chrono>
#include <thread>

namespace pcap_zmq::testing {

/// Far longer than anything here takes on a busy machine; a test that needs it has failed.
inline constexpr std::chrono::milliseconds kGenerously{120'000};

/// Calls `condition` every `interval` until it holds.
/// Errors:  false when it did not hold within `deadline`.
template <typename Condition>
bool WaitUntil(Condition&& condition, std::chrono::milliseconds deadline = kGenerously,
               std::chrono::milliseconds interval = std::chrono::milliseconds(10)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) {
      return condition();
    }
    std::this_thread::sleep_for(interval);
  }
  return true;
}

}  // namespace pcap_zmq::testing
