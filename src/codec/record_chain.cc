// SPDX-License-Identifier: MIT
#include "codec/record_chain.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/packet.h"
#include "base/record_block.h"

namespace pcap_zmq {

RecordChain CheckRecords(std::span<const uint8_t> payload, uint32_t declared_count) {
  RecordChain chain;
  const uint8_t* const start = payload.data();
  while (chain.packet_count < declared_count) {
    const size_t left = payload.size() - chain.bytes;
    if (left < kRecordHeaderBytes) {
      return chain;
    }
    const uint8_t* record = start + chain.bytes;
    const uint32_t nanos = LoadLe<uint32_t>(record + 4);
    const uint32_t captured = LoadLe<uint32_t>(record + 8);
    const uint32_t original = LoadLe<uint32_t>(record + 12);
    if (nanos >= kNanosPerSecond || captured > original || captured > kMaxCapturedLength ||
        captured > left - kRecordHeaderBytes) {
      return chain;
    }
    chain.bytes += kRecordHeaderBytes + captured;
    ++chain.packet_count;
  }
  chain.complete = chain.bytes == payload.size();
  return chain;
}

void ShiftRecords(std::span<uint8_t> records, Nanoseconds shift) {
  constexpr Nanoseconds kLast = (Nanoseconds{1} << 32) * kNanosPerSecond - 1;
  for (size_t at = 0; at < records.size(); at += RecordSize(records.data() + at)) {
    uint8_t* const header = records.data() + at;
    const Nanoseconds moved = std::clamp<Nanoseconds>(RecordTimestamp(header) + shift, 0, kLast);
    StoreLe(header, static_cast<uint32_t>(moved / kNanosPerSecond));
    StoreLe(header + 4, static_cast<uint32_t>(moved % kNanosPerSecond));
  }
}

}  // namespace pcap_zmq
