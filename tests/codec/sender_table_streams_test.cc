// SPDX-License-Identifier: MIT
// Twin of src/codec/sender_table.cc, where streams end or there are more of them than places.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/codec/sender_table_testing.h"

namespace pcap_zmq::testing {
namespace {

class SenderTableStreams : public SenderTableTest {
 protected:
  static constexpr uint64_t kPlaces = 4 * kMaxSenders;

  // `count` streams of gw2 that go on, from the id `first`.
  void Crowd(uint64_t first, uint64_t count, const SenderKey& key = {}) {
    for (uint64_t id = first; id < first + count; ++id) {
      clock_.Advance(1);
      Control(id, 0, "gw2", key);
    }
  }
};

TEST_F(SenderTableStreams, OfTenThousandStreamsThoseHeardOfLastKeepTheirPlace) {
  Control(1, 0, "gw1");
  Data(1, 5, 1);
  for (uint64_t i = 0; i < 10'000; ++i) {
    clock_.Advance(1);
    EXPECT_TRUE(Data(1, 6 + i, 1)) << "a stream that goes on has a place";
    EXPECT_TRUE(Data(1000 + i, 0, 1));
  }
  ExpectSender("gw1", 10'001, 0, 0);
  EXPECT_TRUE(Data(1, 0, 5)) << "its gap is still open";
  EXPECT_FALSE(Data(1000 + 9'999, 0, 1));
  EXPECT_FALSE(Data(1000 + 9'999 - 2 * kPlaces, 0, 1)) << "it had to go, and is remembered";
  EXPECT_TRUE(Data(1000, 0, 1)) << "what is remembered is bounded";
  EXPECT_EQ(table_.Snapshot().size(), 2U);
  EXPECT_EQ(table_.Positions().size(), kPlaces);
}

TEST_F(SenderTableStreams, GapsOfAStreamThatHasToGoAreSettledAtOnce) {
  Control(1, 0, "gw1");
  Data(1, 50, 1);
  Crowd(100, kPlaces);
  ExpectSender("gw1", 1, 50, 0);
}

TEST_F(SenderTableStreams, MoreStreamsThanPlacesLoseNothingAndRepeatNothing) {
  constexpr uint64_t kStreams = kPlaces + 20;
  constexpr uint64_t kRounds = 50;
  for (uint64_t id = 1; id <= kStreams; ++id) {
    Control(id, 0, "gw1");
  }
  for (uint64_t round = 0; round < kRounds; ++round) {
    for (uint64_t id = 1; id <= kStreams; ++id) {
      clock_.Advance(1);
      EXPECT_TRUE(Data(id, round, 1));
    }
    for (uint64_t id = 1; id <= kStreams; ++id) {
      EXPECT_FALSE(Data(id, round, 1));
    }
  }
  SettleAll();
  ExpectSender("gw1", kStreams * kRounds, 0, 0);
}

TEST_F(SenderTableStreams, StreamThatHadToGoGoesOnUnderItsName) {
  Control(1, 100, "gw1");
  Data(1, 100, 5);
  Crowd(100, kPlaces);
  EXPECT_TRUE(Data(1, 107, 1));
  EXPECT_TRUE(Data(1, 105, 2));
  SettleAll();
  ExpectSender("gw1", 8, 0, 100);
}

TEST_F(SenderTableStreams, WhatIsLostWhileAStreamHasNoPlaceIsLostAndNotUnseen) {
  Control(1, 0, "gw1");
  Crowd(100, kPlaces);
  Control(1, 7, "gw1");
  SettleAll();
  ExpectSender("gw1", 0, 7, 0);
}

TEST_F(SenderTableStreams, FinishedStreamsTakeNoPlace) {
  Control(1, 0, "gw1");
  Data(1, 5, 1);
  for (uint64_t id = 1000; id < 11'000; ++id) {
    clock_.Advance(1);
    Control(id, 0, "gw2");
    EXPECT_TRUE(Data(id, 0, 3));
    Last(id, 3, "gw2");
  }
  ExpectSender("gw1", 1, 0, 0);
  EXPECT_TRUE(Data(1, 0, 5));
  SettleAll();
  ExpectSender("gw1", 6, 0, 0);
  ExpectSender("gw2", 30'000, 0, 0);
}

TEST_F(SenderTableStreams, WhatIsRepeatedOfAFinishedStreamIsRefused) {
  Control(1, 0, "gw1");
  Data(1, 0, 3);
  Last(1, 3, "gw1");
  EXPECT_FALSE(Data(1, 0, 3));
  EXPECT_FALSE(Data(1, 2, 3));
  ExpectSender("gw1", 3, 0, 0);
}

TEST_F(SenderTableStreams, FramesThatTheLastOneOvertookAreAccepted) {
  Control(1, 0, "gw1");
  Data(1, 0, 3);
  Last(1, 10, "gw1");
  EXPECT_TRUE(Data(1, 3, 3));
  SettleAll();
  ExpectSender("gw1", 6, 4, 0);
  EXPECT_TRUE(Data(1, 6, 4)) << "also those that are late";
  EXPECT_FALSE(Data(1, 6, 4));
  ExpectSender("gw1", 10, 4, 0);
  EXPECT_EQ(Sender("gw1").late_packets, 4U);
}

TEST_F(SenderTableStreams, FinishedStreamThatMissesPacketsGivesUpItsPlaceFirst) {
  Control(1, 0, "gw1");
  Data(1, 5, 1);
  clock_.Advance(1);
  Control(2, 0, "gw3");
  Last(2, 10, "gw3");
  Crowd(100, kPlaces - 1);
  ExpectSender("gw3", 0, 10, 0);
  ExpectSender("gw1", 1, 0, 0);
}

TEST_F(SenderTableStreams, ReportThatTheLastOneOvertookChangesNothing) {
  Control(1, 0, "gw1");
  Data(1, 0, 3);
  Last(1, 3, "gw1");
  const uint64_t frames = Sender("gw1").frames;
  Control(1, 2, "gw9");
  EXPECT_EQ(Sender("gw1").frames, frames);
  EXPECT_EQ(Sender("gw9").name, "");
}

TEST_F(SenderTableStreams, PositionsAreThoseOfFinishedStreamsTooTheLastOneHeardOfFirst) {
  Control(1, 0, "gw1");
  Data(1, 0, 3);
  clock_.Advance(1);
  Data(2, 0, 7);
  clock_.Advance(1);
  Last(1, 4, "gw1");
  clock_.Advance(1);
  Control(3, 9, "gw3");
  Last(3, 9, "gw3");
  const std::vector<SenderTable::Position> all = table_.Positions();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].name, "gw3");
  EXPECT_EQ(all[0].next_ordinal, 9U);
  EXPECT_EQ(all[1].name, "gw1");
  EXPECT_EQ(all[1].next_ordinal, 4U);
  EXPECT_EQ(all[2].name, "unnamed");
  EXPECT_EQ(all[2].next_ordinal, 7U);
}

// Where senders have keys.
constexpr SenderKey kQuiet{"key of gw1", "gw1"};
constexpr SenderKey kFlooding{"key of gw2", "gw2"};
constexpr SenderKey kGroup{"key of nodes", "nodes@"};

TEST_F(SenderTableStreams, AKeyThatFloodsTakesNoPlaceFromOthers) {
  Data(1, 5, 1, kQuiet);
  Crowd(1000, 10'000, kFlooding);
  ExpectSender("gw1", 1, 0, 0);
  EXPECT_TRUE(Data(1, 0, 5, kQuiet));
  SettleAll();
  ExpectSender("gw1", 6, 0, 0);
}

TEST_F(SenderTableStreams, AKeyThatFloodsMakesNobodyElsesPastForgotten) {
  for (uint64_t id = 1; id <= 30; ++id) {
    Data(id, 0, 1, kQuiet);
    Last(id, 1, "gw1", kQuiet);
  }
  Crowd(1000, 10'000, kFlooding);
  for (uint64_t id = 1; id <= 30; ++id) {
    EXPECT_FALSE(Data(id, 0, 1, kQuiet));
  }
}

TEST_F(SenderTableStreams, AGroupMayHaveAllPlacesThatNobodyElseWants) {
  for (uint64_t id = 1; id <= kPlaces; ++id) {
    Control(id, 0, "node", kGroup);
    Data(id, 1, 1, kGroup);
  }
  ExpectSender("nodes@node", kPlaces, 0, 0);
}

TEST_F(SenderTableStreams, AStreamWithoutAPlaceStillBelongsToItsKey) {
  Data(1, 0, 1, kQuiet);
  Last(1, 1, "gw1", kQuiet);
  EXPECT_TRUE(table_.BelongsTo(1, kQuiet));
  EXPECT_FALSE(table_.BelongsTo(1, kFlooding));
}

TEST_F(SenderTableStreams, AStreamOfAGroupThatHadToGoGoesOnUnderItsName) {
  Control(1, 0, "node-a", kGroup);
  Crowd(100, kPlaces, kGroup);
  EXPECT_TRUE(Data(1, 0, 3, kGroup));
  ExpectSender("nodes@node-a", 3, 0, 0);
}

}  // namespace
}  // namespace pcap_zmq::testing
