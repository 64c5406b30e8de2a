// SPDX-License-Identifier: MIT
//
// What a sender says of itself once a second.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/stats.h"

namespace pcap_zmq {

struct ControlReport {
  std::string name;     ///< made safe by ParseControl(): see README.md section 5
  std::string version;  ///< likewise
  SenderTotals totals;
  /// Which process says so, of several that may have one name: random below 2^53, which every
  /// reader of JSON holds exactly; 0 from those that do not say.
  uint64_t instance = 0;
  /// Its wall clock when it says so, in microseconds since the epoch; 0 from those that do not say.
  uint64_t clock_micros = 0;
};

/// `report` as the payload of a control frame.
std::string SerializeControl(const ControlReport& report);

/// Reads a control frame's payload, trusting nothing in it.
/// Errors:  nullopt when it is not a JSON object or a known key has another type.
std::optional<ControlReport> ParseControl(std::span<const uint8_t> payload);

}  // namespace pcap_zmq
