// SPDX-License-Identifier: MIT
//
// Capture files as a strict reader sees them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"

namespace pcap_zmq::testing {

/// One packet of a capture; `data` points into the capture's bytes.
struct CapturedPacket {
  Nanoseconds timestamp = 0;
  std::span<const uint8_t> data;
  uint32_t original_length = 0;
};

/// A little-endian nanosecond capture, taken apart.
struct Capture {
  std::string error;  ///< what is wrong with it; empty when nothing is
  uint32_t link_type = 0;
  std::vector<CapturedPacket> packets;
  size_t trailing_bytes = 0;  ///< of a record that is cut off at the end
};

/// Takes `bytes` apart.  A record that is cut at the end is no error, but counted in
/// trailing_bytes; an impossible length or timestamp is one, and ends the reading.
/// Owns:    borrows `bytes`, which must outlive the result.
Capture ParseCapture(std::span<const uint8_t> bytes);

/// The bytes of a file; empty when it cannot be read.
std::vector<uint8_t> ReadFileBytes(const std::string& path);

}  // namespace pcap_zmq::testing
