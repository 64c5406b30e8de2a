// SPDX-License-Identifier: MIT
//
// Messages as the 2012 Python sender made them; codec/README.md section 6.
#pragma once

#include <cstdint>
#include <span>

#include "base/byte_io.h"
#include "tests/codec/codec_testing.h"
#include "tests/codec/hostile_streams.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

inline void AppendBe32(Bytes* bytes, uint32_t value) {
  const size_t at = bytes->size();
  bytes->resize(at + 4);
  StoreBe<uint32_t>(bytes->data() + at, value);
}

/// One record in XDR: seconds, microseconds, original length, opaque packet padded to four bytes.
inline Bytes XdrRecord(const TestPacket& packet) {
  Bytes record;
  AppendBe32(&record, static_cast<uint32_t>(packet.timestamp / kNanosPerSecond));
  AppendBe32(&record, static_cast<uint32_t>(packet.timestamp % kNanosPerSecond / kNanosPerMicro));
  AppendBe32(&record, packet.original_length);
  AppendBe32(&record, static_cast<uint32_t>(packet.bytes.size()));
  record.insert(record.end(), packet.bytes.begin(), packet.bytes.end());
  record.resize((record.size() + 3) / 4 * 4);
  return record;
}

/// `record` with its length in front, as it stands in a squashed message.
inline void AppendWithLength(Bytes* records, std::span<const uint8_t> record) {
  AppendBe32(records, static_cast<uint32_t>(record.size()));
  records->insert(records->end(), record.begin(), record.end());
}

inline Bytes WithTag(uint8_t tag, std::span<const uint8_t> body) {
  Bytes message = {tag};
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

inline Bytes LegacyPlain(const TestPacket& packet) {
  return WithTag(0x00, XdrRecord(packet));
}

inline Bytes LegacySquashed(std::span<const TestPacket> packets) {
  Bytes records;
  for (const TestPacket& packet : packets) {
    AppendWithLength(&records, XdrRecord(packet));
  }
  return WithTag(0x01, ZlibOf(records));
}

}  // namespace pcap_zmq::testing
