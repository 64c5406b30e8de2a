// SPDX-License-Identifier: MIT
//
// Sizes, rates and durations as people write them: "64KiB", "8MiB/s", "10ms".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace pcap_zmq {

/// Bytes of "512", "64KiB", "1.5MiB", "10MB" (units without i are powers of 1000).
/// Errors:  kConfig, naming `text` and the units that are known; also for negative numbers and
///          values over 2^53.
Result<uint64_t> ParseSize(std::string_view text);

/// Bytes a second of "8MiB/s", "10MB/s", "1Gbit/s"; a plain number is MiB/s, as in the 2012 tool.
Result<uint64_t> ParseRate(std::string_view text);

/// Nanoseconds of "250us", "10ms", "1.5s", "2m"; a plain number is seconds.
Result<Nanoseconds> ParseDuration(std::string_view text);

/// The shortest exact spelling that the parsers above read back to the same value.
std::string FormatSize(uint64_t bytes);
std::string FormatRate(uint64_t bytes_per_second);
std::string FormatDuration(Nanoseconds duration);

}  // namespace pcap_zmq
