// SPDX-License-Identifier: MIT
#include "base/endpoint_board.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace pcap_zmq {
namespace {

EndpointCounts Row(const std::string& endpoint, bool connected, uint64_t count) {
  return {endpoint, connected, count, count + 1, count + 2};
}

TEST(EndpointBoard, HoldsTheRowsThatWerePostedLast) {
  EndpointBoard board;
  EXPECT_TRUE(board.Read().empty());
  board.Post({Row("a", true, 1), Row("b", false, 2)});
  const EndpointRows before = board.Read();
  board.Post({Row("b", true, 3)});
  ASSERT_EQ(before.size(), 2U) << "who has read keeps what was read";
  EXPECT_EQ(before[1].sent_packets, 2U);
  ASSERT_EQ(board.Read().size(), 1U) << "an endpoint that is gone is no row";
  EXPECT_EQ(board.Read()[0].endpoint, "b");
  EXPECT_EQ(board.Read()[0].sent_packets, 3U);
}

TEST(EndpointBoard, ManyReadWhileOnePosts) {
  EndpointBoard board;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    uint64_t seen = 0;
    while (!done) {
      for (const EndpointCounts& row : board.Read()) {
        EXPECT_GE(row.sent_packets, seen);
        EXPECT_EQ(row.buffered_packets, row.sent_packets + 2) << "a row is whole";
        seen = row.sent_packets;
      }
    }
  });
  for (uint64_t i = 0; i < 20'000; ++i) {
    board.Post({Row("a", true, i)});
  }
  done = true;
  reader.join();
}

TEST(MergeEndpoints, SumsPumpsByNameAndIsConnectedWhereAllAre) {
  const EndpointRows rows =
      MergeEndpoints({EndpointRows({Row("b", true, 10), Row("a", true, 1)}),
                      EndpointRows({Row("a", true, 100), Row("b", false, 5)})});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].endpoint, "a");
  EXPECT_TRUE(rows[0].connected);
  EXPECT_EQ(rows[0].sent_packets, 101U);
  EXPECT_EQ(rows[0].dropped_packets, 103U);
  EXPECT_EQ(rows[0].buffered_packets, 105U);
  EXPECT_EQ(rows[1].endpoint, "b");
  EXPECT_FALSE(rows[1].connected);
}

TEST(MergeEndpoints, ListsWhatAllPumpsHaveSoThatNoSumFalls) {
  const EndpointRows rows = MergeEndpoints({EndpointRows({Row("a", true, 1), Row("b", true, 2)}),
                                            EndpointRows({Row("a", true, 1)}),
                                            EndpointRows({Row("c", true, 1), Row("a", true, 1)})});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].endpoint, "a");
  EXPECT_TRUE(MergeEndpoints({}).empty());
}

}  // namespace
}  // namespace pcap_zmq
