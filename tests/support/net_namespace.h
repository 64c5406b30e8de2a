// SPDX-License-Identifier: MIT
//
// Private networks for tests with real sockets and a real netfilter.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pcap_zmq::testing {

/// Moves the calling thread, and all that it starts later, into a network namespace of its own
/// with lo up.  The namespace vanishes with the process; tests in it clash with nobody.
/// Threads: call it before others exist: they would stay in the old namespace.
/// Errors:  kRuntime with the reason to skip the test, where namespaces are forbidden.
Status EnterPrivateNetwork();

/// Another network namespace: a second host.  It lives as long as this object and the sockets made
/// in it.
class PeerNamespace {
 public:
  static Result<std::unique_ptr<PeerNamespace>> Create();

  /// Runs `work` in a thread inside the namespace and waits for it.  What it opens and starts stays
  /// there.
  void Run(const std::function<void()>& work) const;

  /// A name of the namespace for programs like nsenter(1), while this object lives.
  std::string Path() const;

  /// Joins the caller's namespace to this one by a veth pair, both ends up.
  /// Errors:  kRuntime with what ip(8) said.
  Status JoinByVeth(const std::string& end_here, const std::string& end_there) const;

 private:
  explicit PeerNamespace(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace pcap_zmq::testing
