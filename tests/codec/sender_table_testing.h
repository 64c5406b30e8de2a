// SPDX-License-Identifier: MIT
//
// What the tests of the sender table share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "codec/sender_table.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq::testing {

class SenderTableTest : public ::testing::Test {
 protected:
  // A whole frame of `count` packets.
  bool Data(uint64_t stream_id, uint64_t first_ordinal, uint32_t count, const SenderKey& key = {}) {
    return Damaged(stream_id, first_ordinal, count, count, key);
  }
  // A frame of `count` packets of which `valid` are usable, 100 bytes each.
  bool Damaged(uint64_t stream_id, uint64_t first_ordinal, uint32_t count, uint32_t valid,
               const SenderKey& key = {}) {
    FrameHeader header;
    header.stream_id = stream_id;
    header.first_ordinal = first_ordinal;
    header.packet_count = count;
    return table_.Accept(header, valid, uint64_t{100} * valid, key).has_value();
  }
  void Control(uint64_t stream_id, uint64_t next_ordinal, const std::string& name,
               const SenderKey& key = {}) {
    Report(stream_id, next_ordinal, name, key, false);
  }
  // The stream's last control frame.
  void Last(uint64_t stream_id, uint64_t next_ordinal, const std::string& name,
            const SenderKey& key = {}) {
    Report(stream_id, next_ordinal, name, key, true);
  }

  SenderSnapshot Sender(std::string_view name) const {
    for (const SenderSnapshot& sender : table_.Snapshot()) {
      if (sender.name == name) {
        return sender;
      }
    }
    return {};
  }
  void ExpectSender(std::string_view name, uint64_t packets, uint64_t lost, uint64_t unseen) const {
    const SenderSnapshot sender = Sender(name);
    EXPECT_EQ(sender.packets, packets) << name;
    EXPECT_EQ(sender.lost_packets, lost) << name;
    EXPECT_EQ(sender.unseen_packets, unseen) << name;
  }
  // The receiver receives for `time`.
  void Receive(Nanoseconds time) {
    while (time > 0) {
      const Nanoseconds turn = std::min(time, SenderTable::kLongestTurn);
      clock_.Advance(turn);
      table_.Age();
      time -= turn;
    }
  }
  void SettleAfter(Nanoseconds time) {
    Receive(time);
    table_.Settle();
  }
  void SettleAll() { SettleAfter(SenderTable::kSettleTime); }

  void Report(uint64_t stream_id, uint64_t next_ordinal, const std::string& name,
              const SenderKey& key, bool last) {
    FrameHeader header;
    header.control = true;
    header.last = last;
    header.stream_id = stream_id;
    header.first_ordinal = next_ordinal;
    table_.AcceptControl(header, {name, "1.0", {}}, key);
  }

  FakeClock clock_;
  SenderTable table_{kMaxSenders, &clock_};
  static constexpr size_t kMaxSenders = 8;
};

}  // namespace pcap_zmq::testing
