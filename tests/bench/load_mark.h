// SPDX-License-Identifier: MIT
//
// What the load generator writes at the start of each payload, and the meter looks for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pcap_zmq::bench {

/// Little-endian, like everything here; followed by the time of sending (CLOCK_MONOTONIC, ns) and
/// the packet's index, 64 bits each.
inline constexpr uint64_t kLoadMagic = 0x31686e656271707a;
inline constexpr size_t kLoadMarkBytes = 24;

}  // namespace pcap_zmq::bench
