// SPDX-License-Identifier: MIT
//
// What a pump says of its endpoints, for others to read.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace pcap_zmq {

/// The account of one endpoint; a part of its pump's.
struct EndpointCounts {
  std::string endpoint;
  bool connected = false;         ///< a receiver is there and has passed the handshake
  uint64_t sent_packets = 0;      ///< in frames that ZeroMQ has let go of
  uint64_t dropped_packets = 0;   ///< were for this endpoint, and no other, and are dropped
  uint64_t buffered_packets = 0;  ///< in ZeroMQ's buffer
};

using EndpointRows = std::vector<EndpointCounts>;

/// Holds the rows of one pump's endpoints, those of now; an endpoint that is gone is no row.
/// Threads: one posts, a few times a second; any reads.
class EndpointBoard {
 public:
  void Post(EndpointRows rows);
  EndpointRows Read() const;

 private:
  mutable std::mutex mutex_;
  EndpointRows rows_;  // guarded by mutex_
};

/// The rows of several pumps together, by name: sums, and connected where all pumps are.  Pumps
/// take an endpoint up and give it up one after another; it is listed while all of them have it.
/// One that returns begins anew, as counters of a program that was restarted do.
EndpointRows MergeEndpoints(const std::vector<EndpointRows>& pumps);

}  // namespace pcap_zmq
