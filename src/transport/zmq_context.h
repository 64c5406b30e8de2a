// SPDX-License-Identifier: MIT
//
// The ZeroMQ context: the I/O threads that all sockets of a program share.
#pragma once

#include <memory>
#include <string>

namespace pcap_zmq {

/// Owns one context and everything that frames in flight still point to.
///
/// Close all sockets first: the destructor waits until what they had buffered was sent or their
/// linger time has run out.
class ZmqContext {
 public:
  explicit ZmqContext(int io_threads);
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;

  /// Starts the threads, from the calling thread, whose rights they inherit; else the first socket
  /// does that.
  void StartThreads();

  /// The library's handle, for this folder.
  void* handle() const { return context_; }

 private:
  void* context_;
};

/// Owns one ZeroMQ socket handle.  Belongs to one thread at a time.
struct ZmqSocketCloser {
  void operator()(void* socket) const;
};
using ZmqSocketHandle = std::unique_ptr<void, ZmqSocketCloser>;

/// The text of the library's last error.
std::string LastZmqError();

}  // namespace pcap_zmq
