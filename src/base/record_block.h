// SPDX-License-Identifier: MIT
//
// Validated packets on the receiver's side: a run of pcap records, shared read-only by the sinks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/byte_io.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/link_type.h"

namespace pcap_zmq {

/// A pcap record header: ts_sec, ts_nsec, captured length, original length; 32-bit little-endian.
inline constexpr size_t kRecordHeaderBytes = 16;

/// A run of whole, validated records in the layout of a little-endian nanosecond capture file.
///
/// Every record's captured length is at most kMaxCapturedLength and at most its original length;
/// together they fill `records` exactly.
/// Owns:    `storage`, into which `records` points.
/// Threads: immutable once made; shared by any number of sinks.
struct RecordBlock {
  std::span<const uint8_t> records;
  uint32_t packet_count = 0;
  LinkType link_type = LinkType::kRaw;
  Nanoseconds oldest_timestamp = 0;  ///< of the first record
  Frame storage;
};

/// Timestamp of the record at `header`.
inline Nanoseconds RecordTimestamp(const uint8_t* header) {
  return LoadLe<uint32_t>(header) * kNanosPerSecond + LoadLe<uint32_t>(header + 4);
}

using RecordBlockPtr = std::shared_ptr<const RecordBlock>;

/// Who takes blocks as they are made.
using BlockTaker = std::function<void(RecordBlockPtr)>;

/// Appends blocks to `blocks`, which outlives it.
inline BlockTaker AppendTo(std::vector<RecordBlockPtr>* blocks) {
  return [blocks](RecordBlockPtr block) { blocks->push_back(std::move(block)); };
}

/// Bytes that the record at `header` takes, its header included.
inline size_t RecordSize(const uint8_t* header) {
  return kRecordHeaderBytes + LoadLe<uint32_t>(header + 8);
}

}  // namespace pcap_zmq
