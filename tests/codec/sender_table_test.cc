// SPDX-License-Identifier: MIT
#include "codec/sender_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "tests/codec/sender_table_testing.h"

namespace pcap_zmq::testing {
namespace {

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
  Receive(kNanosPerSecond);
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
  Receive(SenderTable::kSettleTime - 1);
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

TEST_F(SenderTableTest, FrameThatComesAfterItsGapWasSettledIsLateAndStaysCountedAsLost) {
  Control(1, 0, "gw1");
  Data(1, 10, 1);
  SettleAll();
  EXPECT_TRUE(Data(1, 2, 5));
  ExpectSender("gw1", 6, 10, 0);
  EXPECT_EQ(Sender("gw1").late_packets, 5U);
  EXPECT_EQ(Sender("gw1").bytes, 600U);
  SettleAll();
  ExpectSender("gw1", 6, 10, 0);
}

TEST_F(SenderTableTest, LateFrameThatIsRepeatedIsADuplicate) {
  Control(1, 0, "gw1");
  Data(1, 10, 1);
  SettleAll();
  EXPECT_TRUE(Data(1, 2, 5));
  EXPECT_FALSE(Data(1, 2, 5));
  EXPECT_FALSE(Data(1, 6, 2)) << "half late, half repeated";
  EXPECT_TRUE(Data(1, 0, 2));
  EXPECT_TRUE(Data(1, 7, 3));
  EXPECT_FALSE(Data(1, 0, 10));
  ExpectSender("gw1", 11, 10, 0);
  EXPECT_EQ(Sender("gw1").late_packets, 10U);
}

TEST_F(SenderTableTest, FrameThatComesAfterItWasCountedAsUnseenIsLate) {
  Control(1, 100, "gw1");
  SettleAll();
  EXPECT_TRUE(Data(1, 90, 10));
  EXPECT_TRUE(Data(1, 100, 1));
  ExpectSender("gw1", 11, 0, 100);
  EXPECT_EQ(Sender("gw1").late_packets, 10U);
}

TEST_F(SenderTableTest, DamagedTailOfALateFrameStaysLost) {
  Control(1, 0, "gw1");
  Data(1, 10, 1);
  SettleAll();
  EXPECT_TRUE(Damaged(1, 0, 10, 4));
  SettleAll();
  ExpectSender("gw1", 5, 10, 0);
  EXPECT_EQ(Sender("gw1").late_packets, 4U);
}

TEST_F(SenderTableTest, FrameOverGapsOfWhichSomeAreSettledIsLateAsFarAsTheyAre) {
  Control(1, 0, "gw1");
  Control(1, 10, "gw1");
  Receive(kNanosPerSecond);
  Control(1, 20, "gw1");
  SettleAfter(kNanosPerSecond);
  EXPECT_TRUE(Data(1, 5, 10));
  SettleAll();
  ExpectSender("gw1", 10, 15, 0);
  EXPECT_EQ(Sender("gw1").late_packets, 5U);
}

TEST_F(SenderTableTest, GapsDoNotAgeWhileTheReceiverWaitsForAReader) {
  Control(1, 0, "gw1");
  Data(1, 10, 1);
  Data(2, 0, 1);
  clock_.Advance(60 * kNanosPerSecond);  // in one turn
  SettleAfter(SenderTable::kSettleTime - SenderTable::kLongestTurn - 1);
  ExpectSender("gw1", 1, 0, 0);
  EXPECT_EQ(Sender("unnamed").name, "") << "its control frame waits as well";
  EXPECT_TRUE(Data(1, 0, 10));
  SettleAll();
  ExpectSender("gw1", 11, 0, 0);
  EXPECT_EQ(Sender("gw1").late_packets, 0U);
}

TEST_F(SenderTableTest, SettledGapsAreRememberedUpToABound) {
  Control(1, 0, "gw1");
  constexpr uint64_t kGaps = 10'000;
  for (uint64_t i = 0; i < kGaps; ++i) {
    Data(1, 2 * i + 1, 1);
  }
  SettleAll();
  ExpectSender("gw1", kGaps, kGaps, 0);
  uint64_t late = 0;
  for (uint64_t i = 0; i < kGaps; ++i) {
    late += Data(1, 2 * i, 1) ? 1U : 0U;
  }
  EXPECT_EQ(late, StreamGaps::kMaxGaps);
  EXPECT_FALSE(Data(1, 0, 1)) << "the first ones are forgotten";
  ExpectSender("gw1", kGaps + late, kGaps, 0);
  EXPECT_EQ(Sender("gw1").late_packets, late);
}

TEST_F(SenderTableTest, SenderAllOfWhoseFramesAreRefusedHasOneGapToRemember) {
  Control(1, 0, "gw1");
  for (uint64_t i = 1; i <= 1000; ++i) {
    Control(1, 10 * i, "gw1");
    SettleAfter(kNanosPerSecond);
  }
  SettleAll();
  ExpectSender("gw1", 0, 10'000, 0);
  EXPECT_TRUE(Data(1, 0, 10)) << "the first one is not forgotten";
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

TEST_F(SenderTableTest, TotalsOfTwoProcessesOfOneNameAddUpLikeTheirPackets) {
  const auto report = [&](uint64_t stream_id, uint64_t instance, uint64_t sent, bool last) {
    FrameHeader header;
    header.control = true;
    header.last = last;
    header.stream_id = stream_id;
    header.first_ordinal = sent;
    ControlReport said{"gw1", "1.0", {}, instance};
    said.totals.sent_packets = sent;
    table_.AcceptControl(header, said);
  };
  report(1, 100, 0, false);
  report(2, 200, 0, false);
  Data(1, 0, 3);
  Data(2, 0, 40);
  report(1, 100, 3, false);
  report(2, 200, 40, false);
  ExpectSender("gw1", 43, 0, 0);
  EXPECT_EQ(Sender("gw1").totals.sent_packets, 43U);
  report(1, 100, 3, true);
  EXPECT_EQ(Sender("gw1").totals.sent_packets, 43U) << "its packets stay counted, too";
  report(3, 300, 0, false);
  Data(3, 0, 5);
  report(3, 300, 5, false);
  ExpectSender("gw1", 48, 0, 0);
  EXPECT_EQ(Sender("gw1").totals.sent_packets, 48U);
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
  EXPECT_EQ(sender.packets + sender.lost_packets - sender.late_packets, (1U << 20) + 1);
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
      table_.Age();
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

}  // namespace
}  // namespace pcap_zmq::testing
