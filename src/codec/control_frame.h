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
};

/// `report` as the payload of a control frame.
std::string SerializeControl(const ControlReport& report);

/// Reads a control frame's payload, trusting nothing in it.
/// Errors:  nullopt when it is not a JSON object or a known key has another type.
std::optional<ControlReport> ParseControl(std::span<const uint8_t> payload);

}  // namespace pcap_zmq
