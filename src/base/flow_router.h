// SPDX-License-Identifier: MIT
//
// Which of several places a flow goes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pcap_zmq {

/// Rendezvous hashing of flows over places by name: whoever lists the same names, in whatever
/// order, agrees, and adding or removing one moves only the flows that it gains or had.
///
/// The sender spreads flows over endpoints so, and the receiver over outputs.  Their names differ,
/// and so do the hashes: what comes to one receiver is spread as evenly as all of it.
/// Threads: immutable.
class FlowRouter {
 public:
  FlowRouter() = default;
  explicit FlowRouter(const std::vector<std::string>& names);

  /// Index of the place for a flow with this hash (SymmetricFlowHash()); 0 without any.
  size_t Route(uint64_t flow_hash) const;

 private:
  std::vector<uint64_t> name_hashes_;
};

}  // namespace pcap_zmq
