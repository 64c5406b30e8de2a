// SPDX-License-Identifier: MIT
#include "app/thread_watch.h"

#include <algorithm>
#include <utility>

namespace pcap_zmq {

void ThreadWatch::Add(std::string name, std::vector<const Heartbeat*> heartbeats) {
  watched_.push_back({std::move(name), std::move(heartbeats)});
}

std::optional<std::string> ThreadWatch::Stalled() const {
  const Nanoseconds now = clock_->MonotonicNow();
  std::string stalled;
  for (const Watched& thread : watched_) {
    Nanoseconds silence = now;
    for (const Heartbeat* heartbeat : thread.heartbeats) {
      silence = std::min(silence, heartbeat->SilentFor(now));
    }
    if (silence > kPatience) {
      stalled += (stalled.empty() ? "" : ", ") + thread.name + " has not moved for " +
                 std::to_string(silence / kNanosPerSecond) + " s";
    }
  }
  return stalled.empty() ? std::nullopt : std::optional<std::string>(std::move(stalled));
}

}  // namespace pcap_zmq
