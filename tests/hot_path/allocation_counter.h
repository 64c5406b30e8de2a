// SPDX-License-Identifier: MIT
//
// Counts the calling thread's allocations, whichever library makes them.
#pragma once

#include <cstdint>
#include <string>

namespace pcap_zmq::testing {

struct Allocations {
  uint64_t ours = 0;     ///< by this program and the libraries that it calls, but for ZeroMQ
  uint64_t zeromqs = 0;  ///< by libzmq itself
};

/// Starts to count this thread's allocations from zero.
void StartCounting();
/// Stops, and says how many there were.
Allocations StopCounting();
/// Where the first of `ours` came from: addresses of the calls, for addr2line or a debugger.
std::string FirstAllocation();

}  // namespace pcap_zmq::testing
