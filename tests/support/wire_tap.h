// SPDX-License-Identifier: MIT
//
// The network between sender and receiver: counts what passes and can be cut.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pcap_zmq::testing {

/// A TCP forwarder on 127.0.0.1 that counts the bytes going from its clients (senders) to its
/// target (the receiver).
class WireTap {
 public:
  /// What was forwarded is counted in stretches of time this long, from Start() on.
  static constexpr std::chrono::milliseconds kSlot{100};

  /// Errors:  kRuntime when `listen_port` is in use.
  static Result<std::unique_ptr<WireTap>> Start(uint16_t listen_port, uint16_t target_port);
  WireTap(const WireTap&) = delete;
  WireTap& operator=(const WireTap&) = delete;
  ~WireTap();

  /// Breaks all connections and refuses new ones until Restore().
  void Cut() { SetWanted(false); }
  void Restore() { SetWanted(true); }

  /// Bytes by slot, up to the last slot that is over.
  std::vector<uint64_t> Slots() const;

  /// Bytes in all.
  uint64_t bytes() const;

 private:
  struct Link;

  WireTap(uint16_t listen_port, uint16_t target_port, UniqueFd listener);
  void SetWanted(bool wanted);
  void Run();
  void Accept();
  void Count(size_t bytes);
  bool Forward(Link* link, bool upstream);

  const uint16_t listen_port_;
  const uint16_t target_port_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  UniqueFd listener_;
  UniqueFd wake_;  // eventfd
  std::list<Link> links_;
  std::atomic<bool> wanted_{true};
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<uint64_t> slots_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace pcap_zmq::testing
