// SPDX-License-Identifier: MIT
//
// The walk over a payload's records that decides what of it may be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"

namespace pcap_zmq {

/// The valid beginning of a payload.
struct RecordChain {
  uint32_t packet_count = 0;  ///< whole, valid records
  size_t bytes = 0;           ///< that they take
  bool complete = false;      ///< they are as many as declared and fill the payload
};

/// Checks records from the start of `payload`, at most `declared_count` of them, up to the first
/// that is damaged.
/// Source:  codec/README.md section 3.
RecordChain CheckRecords(std::span<const uint8_t> payload, uint32_t declared_count);

/// Adds `shift` to the times of valid records; none leaves what a record can hold.
void ShiftRecords(std::span<uint8_t> records, Nanoseconds shift);

}  // namespace pcap_zmq
