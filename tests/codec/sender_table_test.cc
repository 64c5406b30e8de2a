// SPDX-License-Identifier: MIT
#include "codec/sender_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

class SenderTableTest : public ::testing::Test {
 protected:
  // A whole frame of `count` packets.
  bool Data(uint64_t stream_id, uint64_t first_ordinal, uint32_t count) {
    return Damaged(stream_id, first_ordinal, count, count);
  }
  // A frame of `count` packets of which `valid` are usable, 100 bytes each.
  bool Damaged(uint64_t stream_id, uint64_t first_ordinal, uint32_t count, uint32_t valid) {
    FrameHeader header;
    header.stream_id = stream_id;
    header.first_ordinal = first_ordinal;
    header.packet_count = count;
    return table_.Accept(header, valid, uint64_t{100} * valid);
  }
  void Control(uint64_t stream_id, uint64_t next_ordinal, const std::string& name) {
    FrameHeader header;
    header.control = true;
    header.stream_id = stream_id;
    header.first_ordinal = next_ordinal;
    table_.AcceptControl(header, {name, "1.0", {}});
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
  void SettleAfter(Nanoseconds time) {
    clock_.Advance(time);
    table_.Settle();
  }
  void SettleAll() { SettleAfter(SenderTable::kSettleTime); }

  testing::FakeClock clock_;
  SenderTable table_{kMaxSenders, &clock_};
  static constexpr size_t kMaxSenders = 8;
};

TEST_F(SenderTableTest, FramesInOrderLoseNothing) {
  Control(1, 0, "gw1");
  EXPECT_TRUE(Data(1, 0, 10));
  EXPECT_TRUE(Data(1, 10, 5));
  SettleAll();
  ExpectSender("gw1", 15, 0, 0);
  EXPECT_EQ(Sender("gw1").frames, 3U);
  EXPECT_EQ(Sender("gw1").bytes, 1500U);
}

TEST_F(SenderTableTest, GapIsLostOnlyWhenItHasStayedOpenForTwoSeconds) {
  Control(1, 0, "gw1");
  Data(1, 7, 3);
  SettleAfter(SenderTable::kSettleTime - 1);
  ExpectSender("gw1", 3, 0, 0);
  SettleAfter(1);
  ExpectSender("gw1", 3, 7, 0);
  SettleAll();
  ExpectSender("gw1", 3, 7, 0);
}

TEST_F(SenderTableTest, EachGapHasItsOwnTwoSeconds) {
  Control(1, 0, "gw1");
  Data(1, 1, 1);
  clock_.Advance(kNanosPerSecond);
  Data(1, 12, 1);
  SettleAfter(kNanosPerSecond);
  ExpectSender("gw1", 2, 1, 0);
  SettleAfter(kNanosPerSecond);
  ExpectSender("gw1", 2, 11, 0);
}

TEST_F(SenderTableTest, WhatWasSentBeforeTheFirstFrameIsUnseenAndNotLost) {
  Data(1, 1000, 1);
  Control(1, 1001, "gw1");
  SettleAll();
  ExpectSender("gw1", 1, 0, 1000);
}

TEST_F(SenderTableTest, WhatWaitedForTheReceiverCountsForItsSenderOnceThatIsNamed) {
  Data(1, 0, 5);
  Data(2, 7, 3);
  EXPECT_TRUE(table_.Snapshot().empty());
  SettleAll();
  Control(1, 5, "gw1");
  Control(2, 10, "gw2");
  ExpectSender("gw1", 5, 0, 0);
  ExpectSender("gw2", 3, 0, 7);
  EXPECT_EQ(table_.Snapshot().size(), 2U);
}

TEST_F(SenderTableTest, StreamThatIsNeverNamedIsReportedAsUnnamed) {
  Data(1, 4, 5);
  SettleAfter(SenderTable::kNamingTime);
  ExpectSender("unnamed", 5, 0, 4);
  Control(1, 9, "late");
  Data(1, 9, 2);
  ExpectSender("unnamed", 5, 0, 4);
  ExpectSender("late", 2, 0, 0);
}

TEST_F(SenderTableTest, FirstFrameMayBeAControlFrame) {
  Control(1, 500, "gw1");
  Data(1, 500, 1);
  SettleAll();
  ExpectSender("gw1", 1, 0, 500);
}

TEST_F(SenderTableTest, OvertakenFramesFillTheirGap) {
  Control(1, 0, "gw1");
  EXPECT_TRUE(Data(1, 30, 10));
  EXPECT_TRUE(Data(1, 10, 10));  // in the middle
  EXPECT_TRUE(Data(1, 0, 10));
  SettleAfter(kNanosPerSecond);
  EXPECT_TRUE(Data(1, 20, 10));
  SettleAll();
  ExpectSender("gw1", 40, 0, 0);
}

TEST_F(SenderTableTest, FrameOvertakenByTheFirstOneIsNotUnseen) {
  Data(1, 10, 10);
  EXPECT_TRUE(Data(1, 4, 6));
  SettleAfter(SenderTable::kNamingTime);
  ExpectSender("unnamed", 16, 0, 4);
}

TEST_F(SenderTableTest, RestOfAPartlyFilledGapKeepsItsAge) {
  Control(1, 0, "gw1");
  Data(1, 30, 10);
  clock_.Advance(SenderTable::kSettleTime - 1);
  EXPECT_TRUE(Data(1, 10, 10));
  SettleAfter(1);
  ExpectSender("gw1", 20, 20, 0);
}

TEST_F(SenderTableTest, DuplicatesAreRefusedAndCountedNowhere) {
  Control(1, 0, "gw1");
  EXPECT_TRUE(Data(1, 0, 10));
  EXPECT_FALSE(Data(1, 0, 10));
  EXPECT_FALSE(Data(1, 5, 1));
  EXPECT_TRUE(Data(1, 20, 10));
  EXPECT_TRUE(Data(1, 10, 10));
  EXPECT_FALSE(Data(1, 10, 10)) << "filled before";
  SettleAll();
  ExpectSender("gw1", 30, 0, 0);
  EXPECT_EQ(Sender("gw1").frames, 4U);
}

TEST_F(SenderTableTest, FramesThatOverlapWhatCameAreRefused) {
  Control(1, 0, "gw1");
  Data(1, 10, 10);
  EXPECT_FALSE(Data(1, 15, 10)) << "half old, half new";
  EXPECT_FALSE(Data(1, 5, 10)) << "half gap, half old";
  SettleAll();
  ExpectSender("gw1", 10, 10, 0);
}

TEST_F(SenderTableTest, FrameThatComesAfterItsGapWasSettledIsRefused) {
  Control(1, 0, "gw1");
  Data(1, 10, 1);
  SettleAll();
  EXPECT_FALSE(Data(1, 0, 10));
  ExpectSender("gw1", 1, 10, 0);
}

TEST_F(SenderTableTest, DamagedTailCountsAsLost) {
  Control(1, 0, "gw1");
  EXPECT_TRUE(Damaged(1, 0, 10, 7));
  EXPECT_TRUE(Data(1, 10, 1));
  SettleAll();
  ExpectSender("gw1", 8, 3, 0);
  EXPECT_EQ(Sender("gw1").bytes, 800U);
}

TEST_F(SenderTableTest, DamagedTailOfAnOvertakenFrameCountsAsLostOnce) {
  Control(1, 0, "gw1");
  Data(1, 10, 1);
  EXPECT_TRUE(Damaged(1, 0, 10, 4));
  SettleAll();
  ExpectSender("gw1", 5, 6, 0);
}

TEST_F(SenderTableTest, ControlFrameClosesATrailingGap) {
  Control(1, 0, "gw1");
  Data(1, 0, 10);
  Control(1, 25, "gw1");
  SettleAll();
  ExpectSender("gw1", 10, 15, 0);
}

TEST_F(SenderTableTest, OvertakenControlFrameTakesNothingBack) {
  Control(1, 0, "gw1");
  Data(1, 0, 10);
  Control(1, 5, "gw1");
  EXPECT_TRUE(Data(1, 10, 1));
  SettleAll();
  ExpectSender("gw1", 11, 0, 0);
}

TEST_F(SenderTableTest, StreamsOfOneNameAreOneSender) {
  Control(1, 0, "gw1");
  Control(2, 0, "gw1");
  Data(1, 0, 3);
  Data(2, 2, 4);
  SettleAll();
  ExpectSender("gw1", 7, 2, 0);
  EXPECT_EQ(table_.Snapshot().size(), 1U);
}

TEST_F(SenderTableTest, RenamedStreamCountsForItsNewNameFromThenOn) {
  Control(1, 0, "old");
  Data(1, 0, 3);
  Control(1, 3, "new");
  Data(1, 3, 4);
  ExpectSender("old", 3, 0, 0);
  ExpectSender("new", 4, 0, 0);
}

TEST_F(SenderTableTest, ControlFrameWithoutANameIsUnnamed) {
  Control(1, 0, "");
  Data(1, 0, 1);
  ExpectSender("unnamed", 1, 0, 0);
  EXPECT_TRUE(Sender("unnamed").has_totals);
  EXPECT_EQ(table_.Snapshot().size(), 1U);
}

TEST_F(SenderTableTest, LegacySenderHasPacketsButNoTotals) {
  table_.AcceptLegacy(3, 300);
  table_.AcceptLegacy(1, 100);
  ExpectSender("legacy", 4, 0, 0);
  EXPECT_EQ(Sender("legacy").bytes, 400U);
  EXPECT_EQ(Sender("legacy").frames, 2U);
  EXPECT_FALSE(Sender("legacy").has_totals);
}

TEST_F(SenderTableTest, SnapshotIsSortedAndKnowsHowLongASenderIsSilent) {
  Control(1, 0, "b");
  clock_.Advance(kNanosPerSecond / 2);
  Control(2, 0, "a");
  clock_.Advance(kNanosPerSecond);
  const auto all = table_.Snapshot();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_DOUBLE_EQ(all[0].seconds_since_heard, 1.0);
  EXPECT_EQ(all[1].name, "b");
  EXPECT_DOUBLE_EQ(all[1].seconds_since_heard, 1.5);
}

TEST_F(SenderTableTest, TenThousandNamesBecomeAFewAndOther) {
  for (uint64_t i = 0; i < 10'000; ++i) {
    Control(i % 4, 0, "name" + std::to_string(i));
  }
  const auto all = table_.Snapshot();
  EXPECT_LE(all.size(), kMaxSenders + 1);
  EXPECT_EQ(Sender("other").frames, 10'000U - kMaxSenders);
  EXPECT_EQ(Sender("name0").frames, 1U);
}

TEST_F(SenderTableTest, ReservedNamesHavePlaceInAFullTable) {
  for (uint64_t i = 0; i < 20; ++i) {
    Control(i, 0, "name" + std::to_string(i));
  }
  Data(100, 0, 1);
  table_.AcceptLegacy(2, 200);
  Control(101, 0, "legacy");
  SettleAfter(SenderTable::kNamingTime);
  ExpectSender("unnamed", 1, 0, 0);
  ExpectSender("legacy", 2, 0, 0);
  EXPECT_LE(table_.Snapshot().size(), kMaxSenders + 3);
}

TEST_F(SenderTableTest, TenThousandStreamsAreForgottenOldestFirst) {
  Control(1, 0, "gw1");
  for (uint64_t i = 0; i < 10'000; ++i) {
    clock_.Advance(1);
    EXPECT_TRUE(Data(1, i, 1)) << "a stream that goes on is remembered";
    EXPECT_TRUE(Data(1000 + i, 0, 1));
  }
  clock_.Advance(1);
  // Those of the 4 * kMaxSenders heard of last, and no others, are still known.
  EXPECT_FALSE(Data(1000 + 9'999, 0, 1));
  EXPECT_FALSE(Data(1000 + 9'999 - (4 * kMaxSenders - 2), 0, 1));
  EXPECT_TRUE(Data(1000 + 9'999 - (4 * kMaxSenders - 1), 0, 1));
  EXPECT_EQ(table_.Snapshot().size(), 2U);
}

TEST_F(SenderTableTest, GapsOfAForgottenStreamAreSettledAtOnce) {
  Control(1, 0, "gw1");
  Data(1, 50, 1);
  for (uint64_t i = 0; i < 4 * kMaxSenders; ++i) {
    clock_.Advance(1);
    Control(100 + i, 0, "gw2");
  }
  ExpectSender("gw1", 1, 50, 0);
}

TEST_F(SenderTableTest, OpenGapsAreBoundedWhenEachIsNew) {
  Control(1, 0, "gw1");
  for (uint64_t i = 0; i < 10'000; ++i) {
    Data(1, 2 * i + 1, 1);
  }
  const uint64_t settled = Sender("gw1").lost_packets;
  EXPECT_GE(settled, 9'900U) << "more gaps are open than a sound sender ever has";
  SettleAll();
  ExpectSender("gw1", 10'000, 10'000, 0);
}

TEST_F(SenderTableTest, OpenGapsAreBoundedWhenOneIsCutToPieces) {
  Control(1, 0, "gw1");
  Data(1, 1 << 20, 1);
  uint64_t accepted = 1;
  for (uint64_t i = 1; i < 10'000; ++i) {
    accepted += Data(1, 2 * i, 1) ? 1U : 0U;
  }
  EXPECT_GT(Sender("gw1").lost_packets, 0U) << "settled early, to stay within bounds";
  SettleAll();
  const SenderSnapshot sender = Sender("gw1");
  EXPECT_EQ(sender.packets, accepted);
  EXPECT_EQ(sender.packets + sender.lost_packets, (1U << 20) + 1);
}

TEST_F(SenderTableTest, SnapshotsAreTakenWhileFramesArrive) {
  constexpr uint64_t kFrames = 3000;
  std::atomic<bool> done{false};
  std::thread scraper([&] {
    uint64_t seen = 0;
    while (!done) {
      for (const SenderSnapshot& sender : table_.Snapshot()) {
        EXPECT_GE(sender.packets, seen);
        EXPECT_EQ(sender.bytes, 100 * sender.packets);
        seen = sender.packets;
      }
      table_.Settle();
    }
  });
  Control(1, 0, "gw1");
  for (uint64_t i = 0; i < kFrames; ++i) {
    EXPECT_TRUE(Data(1, i, 1));
  }
  done = true;
  scraper.join();
  ExpectSender("gw1", kFrames, 0, 0);
}

// Where senders have keys.
class KeyedSenderTable : public SenderTableTest {
 protected:
  // Here a key is spelled like its first name.
  static SenderKey KeyOf(std::string_view name) { return {name, name}; }

  bool DataOf(std::string_view key_name, uint64_t stream_id, uint64_t first_ordinal) {
    FrameHeader header;
    header.stream_id = stream_id;
    header.first_ordinal = first_ordinal;
    header.packet_count = 1;
    return table_.Accept(header, 1, 100, KeyOf(key_name));
  }
};

TEST_F(KeyedSenderTable, PacketsCountForTheKeysNameFromTheFirstOneOn) {
  ASSERT_TRUE(DataOf("gw-1", 1, 5));
  ExpectSender("gw-1", 1, 0, 0);
  SettleAll();
  ExpectSender("gw-1", 1, 0, 5);
}

TEST_F(KeyedSenderTable, AControlFrameCannotClaimAnothersName) {
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  FrameHeader header;
  header.control = true;
  header.stream_id = 1;
  header.first_ordinal = 1;
  table_.AcceptControl(header, {"gw-2", "1.0", {}}, KeyOf("gw-1"));
  ExpectSender("gw-1", 1, 0, 0);
  EXPECT_TRUE(Sender("gw-1").has_totals);
  EXPECT_EQ(Sender("gw-2").name, "");
}

TEST_F(KeyedSenderTable, AStreamBelongsToTheKeyItWasFirstHeardOfWith) {
  EXPECT_TRUE(table_.BelongsTo(1, KeyOf("gw-1")));
  EXPECT_TRUE(table_.BelongsTo(1, KeyOf("gw-2"))) << "nobody's yet";
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  EXPECT_TRUE(table_.BelongsTo(1, KeyOf("gw-1")));
  EXPECT_FALSE(table_.BelongsTo(1, KeyOf("gw-2")));
  EXPECT_FALSE(table_.BelongsTo(1, {}));
}

TEST_F(KeyedSenderTable, AKeyThatGetsAnotherNameGoesOnUnderIt) {
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  const SenderKey renamed{"gw-1", "paris"};
  EXPECT_TRUE(table_.BelongsTo(1, renamed));
  FrameHeader header;
  header.stream_id = 1;
  header.first_ordinal = 1;
  header.packet_count = 1;
  EXPECT_TRUE(table_.Accept(header, 1, 100, renamed));
  ExpectSender("gw-1", 1, 0, 0);
  ExpectSender("paris", 1, 0, 0);
}

TEST_F(KeyedSenderTable, OneKeyMayHaveSeveralStreams) {
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  ASSERT_TRUE(DataOf("gw-1", 2, 0));
  ExpectSender("gw-1", 2, 0, 0);
}

TEST_F(KeyedSenderTable, MessagesOfThe2012SenderCountForItsKey) {
  table_.AcceptLegacy(3, 300, KeyOf("old"));
  ExpectSender("old", 3, 0, 0);
}

// Where a group of senders shares a key.
class GroupSenderTable : public SenderTableTest {
 protected:
  static constexpr SenderKey kNodes{"key of nodes", "nodes@"};

  bool NodeData(uint64_t stream_id, uint64_t first_ordinal, const SenderKey& key = kNodes) {
    FrameHeader header;
    header.stream_id = stream_id;
    header.first_ordinal = first_ordinal;
    header.packet_count = 1;
    return table_.Accept(header, 1, 100, key);
  }
  void NodeControl(uint64_t stream_id, uint64_t next_ordinal, const std::string& name,
                   const SenderKey& key = kNodes) {
    FrameHeader header;
    header.control = true;
    header.stream_id = stream_id;
    header.first_ordinal = next_ordinal;
    table_.AcceptControl(header, {name, "1.0", {}}, key);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const SenderSnapshot& sender : table_.Snapshot()) {
      names.push_back(sender.name);
    }
    return names;
  }
};

TEST_F(GroupSenderTable, EachSenderIsReportedUnderTheGroupAndWhatItCallsItself) {
  ASSERT_TRUE(NodeData(1, 0));
  EXPECT_TRUE(Names().empty()) << "it has not said who it is";
  NodeControl(1, 1, "node-a");
  NodeControl(2, 0, "node-b");
  ASSERT_TRUE(NodeData(2, 0));
  ASSERT_TRUE(NodeData(2, 1));
  ExpectSender("nodes@node-a", 1, 0, 0);
  ExpectSender("nodes@node-b", 2, 0, 0);
  EXPECT_EQ(Names().size(), 2U);
  EXPECT_TRUE(Sender("nodes@node-a").has_totals);
}

TEST_F(GroupSenderTable, NobodyGetsANameOutsideOfTheGroup) {
  // Names arrive as ParseControl() has made them safe, but the table does not rely on it.
  uint64_t stream = 1;
  for (const char* name : {"gw-1", "other", "unnamed", "legacy", "", "elsewhere@gw-1"}) {
    NodeControl(stream, 0, name);
    ASSERT_TRUE(NodeData(stream, 0));
    ++stream;
  }
  ASSERT_TRUE(NodeData(99, 0));  // says nothing at all
  table_.AcceptLegacy(1, 100, kNodes);
  SettleAfter(SenderTable::kNamingTime);
  for (const std::string& name : Names()) {
    EXPECT_TRUE(name.starts_with("nodes@")) << name;
  }
  ExpectSender("nodes@gw-1", 1, 0, 0);
  ExpectSender("nodes@unnamed", 3, 0, 0);
  ExpectSender("nodes@legacy", 2, 0, 0);
}

TEST_F(GroupSenderTable, ManyNamesAreBoundedWithinTheGroup) {
  for (uint64_t i = 0; i < 1000; ++i) {
    NodeControl(i, 0, "node-" + std::to_string(i));
    ASSERT_TRUE(NodeData(i, 0));
  }
  EXPECT_EQ(table_.Snapshot().size(), kMaxSenders + 1);
  ExpectSender("nodes@other", 1000 - kMaxSenders, 0, 0);
  EXPECT_EQ(Sender("other").name, "");
}

TEST_F(GroupSenderTable, OneThatCallsItselfSomethingElseGoesOnUnderThat) {
  NodeControl(1, 0, "node-a");
  ASSERT_TRUE(NodeData(1, 0));
  NodeControl(1, 1, "node-b");
  ASSERT_TRUE(NodeData(1, 1));
  ExpectSender("nodes@node-a", 1, 0, 0);
  ExpectSender("nodes@node-b", 1, 0, 0);
}

TEST_F(GroupSenderTable, AGroupThatGetsAnotherNameTakesItsSendersWithIt) {
  NodeControl(1, 0, "node-a");
  ASSERT_TRUE(NodeData(1, 0));
  const SenderKey renamed{kNodes.key, "edge@"};
  ASSERT_TRUE(NodeData(1, 1, renamed));
  ExpectSender("nodes@node-a", 1, 0, 0);
  ExpectSender("edge@node-a", 1, 0, 0);
  const SenderKey alone{kNodes.key, "gw-1"};
  ASSERT_TRUE(NodeData(1, 2, alone));
  ExpectSender("gw-1", 1, 0, 0);
  ASSERT_TRUE(NodeData(1, 3));
  ExpectSender("nodes@node-a", 2, 0, 0);
}

TEST_F(GroupSenderTable, AnotherKeyHasNoPartInItsStreams) {
  NodeControl(1, 0, "node-a");
  EXPECT_TRUE(table_.BelongsTo(1, kNodes));
  EXPECT_FALSE(table_.BelongsTo(1, {"key of gw-1", "gw-1"}));
}

}  // namespace
}  // namespace pcap_zmq
