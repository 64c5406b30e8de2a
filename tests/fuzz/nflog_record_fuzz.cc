// SPDX-License-Identifier: MIT
//
// Any bytes as a netlink datagram from the kernel: what is read is what libmnl finds.
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "base/byte_io.h"
#include "source/nflog_record.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using pcap_zmq::LoadBe;
using pcap_zmq::NflogItem;
using pcap_zmq::NflogRecord;
using pcap_zmq::testing::Require;

constexpr uint16_t kPacketMessage = (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET;

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

pcap_zmq::Nanoseconds Time(const uint8_t* units, pcap_zmq::Nanoseconds unit) {
  return static_cast<pcap_zmq::Nanoseconds>(LoadBe<uint64_t>(units)) * unit;
}

// One packet message as libmnl takes it apart; an attribute that is there twice counts as its last.
void CheckAgainst(const nlmsghdr* message, const NflogRecord& record) {
  const auto* group = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  Require(record.family == group->nfgen_family, "the family is libmnl's");
  Require(record.group == LoadBe<uint16_t>(reinterpret_cast<const uint8_t*>(&group->res_id)),
          "the group is libmnl's");
  NflogRecord expected;
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)));
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    const auto* value = static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
    switch (mnl_attr_get_type(attribute)) {
      case NFULA_PACKET_HDR:
        expected.hw_protocol = LoadBe<uint16_t>(value);
        expected.hook = value[2];
        break;
      case NFULA_TIMESTAMP:
        expected.timestamp =
            Time(value, pcap_zmq::kNanosPerSecond) + Time(value + 8, pcap_zmq::kNanosPerMicro);
        break;
      case NFULA_PAYLOAD:
        expected.payload = {value, mnl_attr_get_payload_len(attribute)};
        break;
      case NFULA_SEQ:
        expected.has_sequence = true;
        expected.sequence = LoadBe<uint32_t>(value);
        break;
      default:
        break;
    }
    attribute = mnl_attr_next(attribute);
  }
  Require(record.hw_protocol == expected.hw_protocol && record.hook == expected.hook,
          "protocol and hook are libmnl's");
  Require(record.timestamp == expected.timestamp, "the timestamp is libmnl's");
  Require(record.has_sequence == expected.has_sequence && record.sequence == expected.sequence,
          "the sequence number is libmnl's");
  Require(record.payload.data() == expected.payload.data() &&
              record.payload.size() == expected.payload.size(),
          "the payload is libmnl's");
}

// mnl_nlmsg_ok() takes lengths from 2 GiB for negative ones, which fit everywhere.
bool IsWhole(const nlmsghdr* message, int left) {
  return left >= static_cast<int>(sizeof(nlmsghdr)) && message->nlmsg_len >= sizeof(nlmsghdr) &&
         message->nlmsg_len <= static_cast<uint32_t>(left);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pcap_zmq::NflogDatagramReader reader({data, size});
  // libmnl wants its messages aligned, and walks them beside the reader.
  std::vector<uint32_t> aligned(size / sizeof(uint32_t) + 1);
  if (size > 0) {
    std::memcpy(aligned.data(), data, size);
  }
  const auto* message = reinterpret_cast<const nlmsghdr*>(aligned.data());
  int left = static_cast<int>(size);
  const auto skip_to = [&](auto wanted) {
    while (IsWhole(message, left) && !wanted(message->nlmsg_type)) {
      message = mnl_nlmsg_next(message, &left);
    }
    return IsWhole(message, left);
  };
  const auto is_item = [](uint16_t type) { return type == kPacketMessage || type == NLMSG_ERROR; };
  // Every item but the last takes at least one byte.
  for (size_t items = 0; items <= size; ++items) {
    const NflogItem item = reader.Next();
    const bool found = skip_to(is_item);
    switch (item) {
      case NflogItem::kPacket: {
        Require(found && message->nlmsg_type == kPacketMessage, "libmnl finds a packet too");
        CheckPacket(reader.packet(), data, size);
        // The same bytes where libmnl can read them.
        NflogRecord moved = reader.packet();
        if (moved.payload.data() != nullptr) {
          moved.payload = {
              reinterpret_cast<const uint8_t*>(aligned.data()) + (moved.payload.data() - data),
              moved.payload.size()};
        }
        CheckAgainst(message, moved);
        break;
      }
      case NflogItem::kReply:
        Require(found && message->nlmsg_type == NLMSG_ERROR, "libmnl finds a reply too");
        Require(reader.reply_error() >= 0, "an errno value");
        Require(reader.reply_sequence() == message->nlmsg_seq, "of the same request");
        break;
      case NflogItem::kDamaged:
        break;
      case NflogItem::kEnd:
        Require(!found, "libmnl finds nothing more either");
        Require(reader.Next() == NflogItem::kEnd, "the end is the end");
        return 0;
    }
    if (found) {
      message = mnl_nlmsg_next(message, &left);
    }
  }
  Require(false, "the reader comes to an end");
  return 0;
}
