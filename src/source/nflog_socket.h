// SPDX-License-Identifier: MIT
//
// The netlink socket to the kernel's packet log and the requests that are sent over it.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/result.h"

struct mnl_socket;

namespace pcap_zmq {

/// How the kernel is to batch and cut a group's packets.
struct NflogGroupSettings {
  uint32_t snaplen = 0;            ///< bytes of each packet to log
  uint32_t threshold = 0;          ///< packets after which a batch is delivered
  Nanoseconds flush_interval = 0;  ///< age at which it is delivered regardless; steps of 10 ms
};

/// A netlink socket bound to NFLOG groups, which are freed when it goes.
///
/// Requests return as soon as the kernel has taken them; its reply is read from fd() like the
/// packets, among which it stands, so that no packet is thrown away while one waits for a reply.
/// Threads: one owner.
class NflogSocket {
 public:
  /// Opens the socket and asks for `receive_buffer_bytes`, beyond net.core.rmem_max if allowed.
  static Result<NflogSocket> Open(uint64_t receive_buffer_bytes);

  int fd() const;

  /// Of the receive buffer, as the kernel accounts for it: twice the request if granted in full.
  uint64_t receive_buffer_bytes() const { return receive_buffer_bytes_; }

  /// Asks for `group`, with sequence numbers, in one message, so that there is no time in which
  /// packets are logged without them.  The kernel always replies, with `sequence`.
  /// Errors:  an errno value if the request could not be sent, else 0.
  int RequestGroup(uint16_t group, const NflogGroupSettings& settings, uint32_t sequence);

  /// Asks for another batch size.  The kernel replies, with `sequence`, only if it refuses.
  int RequestThreshold(uint16_t group, uint32_t threshold, uint32_t sequence);

  /// Frees `group`.  What the kernel has logged for it is in the socket when this returns.  The
  /// kernel replies, with `sequence`, only if it refuses.
  int RequestRelease(uint16_t group, uint32_t sequence);

 private:
  struct Closer {
    void operator()(mnl_socket* socket) const;
  };

  explicit NflogSocket(mnl_socket* socket) : socket_(socket) {}
  int Send(const void* message, size_t length);

  std::unique_ptr<mnl_socket, Closer> socket_;
  uint64_t receive_buffer_bytes_ = 0;
};

/// Why the kernel refused `group` with `error_number`, and what to do about it.
Error NflogGroupError(uint16_t group, int error_number);

}  // namespace pcap_zmq
