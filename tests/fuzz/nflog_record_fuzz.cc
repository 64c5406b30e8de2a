// SPDX-License-Identifier: MIT
//
// Any bytes as a netlink datagram from the kernel.
#include <cstdint>
#include <functional>

#include "source/nflog_record.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using pcap_zmq::NflogRecord;
using pcap_zmq::testing::Require;

void CheckPacket(const NflogRecord& record, const uint8_t* data, size_t size) {
  if (!record.payload.empty()) {
    // Pointers into different blocks compare through std::less alone.
    const std::less_equal<const uint8_t*> not_after;
    const uint8_t* end = record.payload.data() + record.payload.size();
    Require(not_after(data, record.payload.data()) && not_after(end, data + size),
            "the payload lies in the datagram");
  }
  const auto offset = NflogIpOffset(record);
  if (offset.has_value()) {
    Require(*offset < record.payload.size(), "the IP header begins in the payload");
    const int version = record.payload[*offset] >> 4;
    Require(version == 4 || version == 6, "what is found is IP");
  }
  Require(record.timestamp >= 0 &&
              record.timestamp < (pcap_zmq::Nanoseconds{1} << 32) * pcap_zmq::kNanosPerSecond,
          "the timestamp fits a capture record");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pcap_zmq::NflogItem;
  pcap_zmq::NflogDatagramReader reader({data, size});
  // Every item but the last takes at least one byte.
  for (size_t items = 0; items <= size; ++items) {
    switch (reader.Next()) {
      case NflogItem::kPacket:
        CheckPacket(reader.packet(), data, size);
        break;
      case NflogItem::kReply:
        Require(reader.reply_error() >= 0, "an errno value");
        break;
      case NflogItem::kDamaged:
        break;
      case NflogItem::kEnd:
        Require(reader.Next() == NflogItem::kEnd, "the end is the end");
        return 0;
    }
  }
  Require(false, "the reader comes to an end");
  return 0;
}
