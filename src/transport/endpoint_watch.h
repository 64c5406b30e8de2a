// SPDX-License-Identifier: MIT
//
// Follows what the names in endpoints stand for.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "transport/endpoint_resolution.h"

namespace pcap_zmq {

/// Looks up the names of endpoints again and again, in a thread of its own, as an answer may take
/// long.
///
/// An endpoint with a name stands for all addresses of the last answer that had any: a lookup that
/// fails or finds nothing changes nothing.  Before the first answer it stands for itself.
/// Threads: made, started and destroyed by one thread; endpoints() and version() from any.
class EndpointWatch {
 public:
  using Endpoints = std::vector<std::string>;
  /// The endpoints of all addresses of one.
  using Lookup = std::function<Result<Endpoints>(const std::string& endpoint)>;

  /// More addresses than this in all are left out: each costs sockets and a buffer.
  static constexpr size_t kMaxEndpoints = 100;

  /// `given` as the user wrote them.
  EndpointWatch(Endpoints given, Nanoseconds interval, Lookup lookup = ResolveAddresses);
  /// Does not wait for a lookup that is under way.
  ~EndpointWatch();
  EndpointWatch(const EndpointWatch&) = delete;
  EndpointWatch& operator=(const EndpointWatch&) = delete;

  /// Looks up all names once, in this thread; not after Start().
  void Look();
  /// Looks them up at the interval from now on.
  /// Errors:  kRuntime when the system refuses a thread.
  Status Start();

  /// What all endpoints stand for now, each once, in the order given.
  std::shared_ptr<const Endpoints> endpoints() const;
  /// Another number each time endpoints() changes.
  uint64_t version() const;

 private:
  // What the thread works on; it may outlive the watch by a lookup.
  struct State;

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace pcap_zmq
