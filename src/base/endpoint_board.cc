// SPDX-License-Identifier: MIT
#include "base/endpoint_board.h"

#include <map>
#include <string>
#include <utility>

namespace pcap_zmq {

void EndpointBoard::Post(EndpointRows rows) {
  // Those of before are let go of outside of the lock.
  const std::lock_guard lock(mutex_);
  rows_.swap(rows);
}

EndpointRows EndpointBoard::Read() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

EndpointRows MergeEndpoints(const std::vector<EndpointRows>& pumps) {
  struct Sum {
    EndpointCounts row;
    size_t pumps = 0;
  };
  std::map<std::string, Sum> sums;
  for (const EndpointRows& rows : pumps) {
    for (const EndpointCounts& row : rows) {
      Sum& sum = sums[row.endpoint];
      sum.row.endpoint = row.endpoint;
      sum.row.connected = row.connected && (sum.pumps == 0 || sum.row.connected);
      sum.row.sent_packets += row.sent_packets;
      sum.row.dropped_packets += row.dropped_packets;
      sum.row.buffered_packets += row.buffered_packets;
      ++sum.pumps;
    }
  }
  EndpointRows merged;
  for (auto& [endpoint, sum] : sums) {
    if (sum.pumps == pumps.size()) {
      merged.push_back(std::move(sum.row));
    }
  }
  return merged;
}

}  // namespace pcap_zmq
