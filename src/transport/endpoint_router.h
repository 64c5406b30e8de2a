// SPDX-License-Identifier: MIT
//
// Which of several endpoints gets a flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pcap_zmq {

/// Rendezvous hashing of flows over endpoints by name: senders that list the same endpoints, in
/// whatever order, agree, and adding or removing one moves only the flows that it gains or had.
/// Threads: immutable.
class EndpointRouter {
 public:
  explicit EndpointRouter(const std::vector<std::string>& endpoints);

  /// Index of the endpoint for a flow with this hash.
  size_t Route(uint64_t flow_hash) const;

 private:
  std::vector<uint64_t> name_hashes_;
};

}  // namespace pcap_zmq
