// SPDX-License-Identifier: MIT
//
// Which of the threads that carry packets has stopped moving.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/heartbeat.h"

namespace pcap_zmq {

/// Looks at heartbeats.
/// Threads: Add() before any other thread is there; Stalled() from any.
class ThreadWatch {
 public:
  /// Longer than any turn of a loop may take on a slow disk and a busy machine.
  static constexpr Nanoseconds kPatience = 10 * kNanosPerSecond;

  /// Borrows `clock` for its life.
  explicit ThreadWatch(const Clock* clock) : clock_(clock) {}

  /// `name` begins a sentence: "pump 2 (nflog:1)".  A thread that beats in several places is alive
  /// as long as one of them moves.
  /// Owns:    borrows the heartbeats.
  void Add(std::string name, std::vector<const Heartbeat*> heartbeats);

  /// "pump 2 (nflog:1) has not moved for 12 s", of each that has not; nullopt when all move.
  std::optional<std::string> Stalled() const;

 private:
  struct Watched {
    std::string name;
    std::vector<const Heartbeat*> heartbeats;
  };

  const Clock* const clock_;
  std::vector<Watched> watched_;
};

}  // namespace pcap_zmq
