// SPDX-License-Identifier: MIT
//
// Connections that speak ZeroMQ's protocol byte by byte, as far as a test wants them to.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace pcap_zmq::testing {

/// The 64 bytes with which a peer begins.
/// Source:  ZMTP 3.0 (rfc.zeromq.org/spec/23), as all below.
std::string ZmtpGreeting();

/// What a PUSH socket says after the greeting.
std::string ZmtpReady();

/// What stands before a message of `size` bytes.
std::string ZmtpLongFrame(uint64_t size);

/// A TCP connection to this host that is never waited for longer than tests wait for anything.
class RawPeer {
 public:
  /// Begins to connect; nothing waits here.
  explicit RawPeer(uint16_t port);

  bool WaitUntilConnected(std::chrono::milliseconds deadline) const;
  /// Sends all of `bytes`.
  /// Errors:  false when the other end has closed, or takes nothing for long.
  bool Send(std::string_view bytes) const;
  /// Waits for `size` bytes and throws them away.
  bool Skip(size_t size) const;
  /// Whether the other end has closed; throws away what it sent before.
  bool Closed() const;
  /// Closes with a reset instead of a farewell.
  void Abort();

 private:
  UniqueFd fd_;
};

}  // namespace pcap_zmq::testing
