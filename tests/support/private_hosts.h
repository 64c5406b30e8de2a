// SPDX-License-Identifier: MIT
//
// A name that stands for the addresses that a test wants.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pcap_zmq::testing {

/// A file in the place of /etc/hosts, seen by the calling thread and what it starts, and by nobody
/// else, for as long as this object lives.
class PrivateHosts {
 public:
  /// Keeps its content in `file`, which it makes.
  /// Threads: call it in the thread that starts the programs, where it may mount (see
  ///          EnterPrivateNetwork()).
  /// Errors:  kRuntime with the reason to skip the test.
  static Result<std::unique_ptr<PrivateHosts>> Create(const std::string& file);

  ~PrivateHosts();
  PrivateHosts(const PrivateHosts&) = delete;
  PrivateHosts& operator=(const PrivateHosts&) = delete;

  /// From now on `name` has these addresses; no reader finds anything between the two states.
  /// Errors:  kRuntime when they do not fit.
  Status Set(const std::string& name, const std::vector<std::string>& addresses) const;

 private:
  explicit PrivateHosts(std::string file) : file_(std::move(file)) {}

  const std::string file_;
  bool mounted_ = false;
};

}  // namespace pcap_zmq::testing
