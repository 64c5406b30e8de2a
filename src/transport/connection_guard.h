// SPDX-License-Identifier: MIT
//
// Who comes to the receiver's door: authentication, and an account of those turned away.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/rate_limit.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/unique_fd.h"
#include "transport/authorized_keys.h"
#include "transport/farewell.h"
#include "transport/socket_monitor.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {

/// Answers ZeroMQ's questions about keys, follows the directory of authorized keys, bounds the
/// number of connections, and counts and logs those that come to nothing.
///
/// ZeroMQ lets in every peer that knows the receiver's public key unless a handler of its
/// authentication protocol says otherwise; this is the handler.  And it accepts everybody, and
/// spins when descriptors have run out, so who comes when there are enough is cut off at once,
/// before its handshake: silent strangers cannot use up memory, nor the descriptors that outputs
/// need.  An eighth of the places is kept from any one address (of IPv6, any one /64), so that none
/// keeps all others out.
/// Threads: made and destroyed by the thread that makes the socket; works in a thread of its own.
/// Source:  ZeroMQ RFC 27 (ZAP).
class ConnectionGuard {
 public:
  /// Gets ready to answer, so that from then on nobody is let in unasked.  With `keys` null, who
  /// comes is only counted.
  /// Owns:    borrows all; they outlive the guard.
  /// Errors:  kRuntime when the context has a guard already, or no descriptor is left.
  static Result<std::unique_ptr<ConnectionGuard>> Prepare(const ZmqContext& context,
                                                          AuthorizedKeys* keys,
                                                          size_t max_connections,
                                                          ConnectionStats* stats);
  ~ConnectionGuard();
  ConnectionGuard(const ConnectionGuard&) = delete;
  ConnectionGuard& operator=(const ConnectionGuard&) = delete;

  /// Starts to work, watching the connections that `monitor` reports.  Peers that came before have
  /// waited for it.
  /// Errors:  kRuntime when the system refuses a thread.
  Status Start(SocketMonitor* monitor);

  /// Asks all peers to leave, and newcomers likewise, by closing our half of their connections.
  /// What they have sent until they notice is still received: a peer has left once all of it was.
  /// Any thread.
  void AskAllToLeave();

  /// Says that ZeroMQ holds no message at the monotonic time `now`.  The receiving thread's.
  void NoteAllTaken(Nanoseconds now) { all_taken_at_.store(now, std::memory_order_relaxed); }

  /// Whether all peers have left since AskAllToLeave(), and no other can come in.  Any thread.
  bool AllLeft() const { return all_left_.load(std::memory_order_acquire); }

  /// Readable from that moment on.
  int all_left_fd() const { return all_left_event_.get(); }

 private:
  ConnectionGuard(AuthorizedKeys* keys, size_t max_connections, ConnectionStats* stats);

  struct Peer {
    std::string address;
    bool cut_off = false;
    std::optional<Farewell> farewell;
  };

  void Run();
  void AnswerAll();
  void Answer(const std::vector<std::string>& request);
  void TakeIn(const ConnectionEvent& event);
  void Accept(int fd);
  void Forget(int fd);
  void AskToLeave();
  // How long to wait for events.
  long LookWhoIsLeft();
  void Refuse(ConnectionRefusal refusal, std::string_view address);

  AuthorizedKeys* const keys_;
  ConnectionStats* const stats_;
  ZmqSocketHandle questions_;  // ZAP's
  SocketMonitor* monitor_ = nullptr;
  const size_t max_connections_;
  UniqueFd stop_;            // eventfd
  UniqueFd leave_;           // eventfd
  UniqueFd all_left_event_;  // eventfd
  std::atomic<bool> all_left_{false};
  std::atomic<Nanoseconds> all_taken_at_{0};
  bool asked_to_leave_ = false;
  bool looked_before_ = false;                           // and found nobody
  int listener_ = -1;                                    // ZeroMQ's
  std::map<int, Peer> peers_;                            // by descriptor
  size_t inside_ = 0;                                    // those of them that were not cut off
  std::unordered_map<std::string, size_t> inside_from_;  // the same, by AddressGroup()
  std::optional<ConnectionRefusal> in_trouble_;  // of the peer that is about to be disconnected
  // One a reason, so that those who knock at every door do not hide who tries a key.
  std::vector<RateLimit> log_limits_;
  std::thread thread_;
};

}  // namespace pcap_zmq
