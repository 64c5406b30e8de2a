// SPDX-License-Identifier: MIT
#include "codec/instance_totals.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

SenderTotals TotalsOf(uint64_t packets, uint64_t rate = 0) {
  SenderTotals totals;
  totals.captured_packets = packets;
  totals.sent_packets = packets;
  totals.rate_bytes_per_second = rate;
  return totals;
}

TEST(InstanceTotals, NothingReportedIsNothing) {
  EXPECT_EQ(InstanceTotals().Sum().sent_packets, 0U);
}

TEST(InstanceTotals, AllFieldsOfInstancesAddUp) {
  SenderTotals one;
  one.captured_packets = 1;
  one.sent_packets = 2;
  one.sent_bytes = 3;
  one.kernel_lost_packets = 4;
  one.rate_bytes_per_second = 5;
  one.state = ShaperState::kSquash;
  one.dropped_packets.fill(6);
  InstanceTotals totals;
  totals.Report(1, one, false, 0);
  one.state = ShaperState::kPass;
  totals.Report(2, one, false, 0);
  const SenderTotals sum = totals.Sum();
  EXPECT_EQ(sum.captured_packets, 2U);
  EXPECT_EQ(sum.sent_packets, 4U);
  EXPECT_EQ(sum.sent_bytes, 6U);
  EXPECT_EQ(sum.kernel_lost_packets, 8U);
  EXPECT_EQ(sum.rate_bytes_per_second, 10U);
  EXPECT_EQ(sum.state, ShaperState::kSquash) << "the severest";
  for (const uint64_t dropped : sum.dropped_packets) {
    EXPECT_EQ(dropped, 12U);
  }
}

TEST(InstanceTotals, OneInstanceThatReportsAgainCountsOnce) {
  InstanceTotals totals;
  totals.Report(1, TotalsOf(10), false, 0);
  totals.Report(1, TotalsOf(30), false, 1);
  EXPECT_EQ(totals.Sum().sent_packets, 30U);
}

TEST(InstanceTotals, ReportThatANewerOneOvertookTakesNothingBack) {
  InstanceTotals totals;
  totals.Report(1, TotalsOf(30), false, 0);
  totals.Report(1, TotalsOf(10), false, 1);
  EXPECT_EQ(totals.Sum().sent_packets, 30U);
}

TEST(InstanceTotals, WhoDoesNotSayItsInstanceStartsAgainAsBefore) {
  InstanceTotals totals;
  totals.Report(0, TotalsOf(30), true, 0);
  totals.Report(0, TotalsOf(10), false, 1);
  EXPECT_EQ(totals.Sum().sent_packets, 10U);
}

TEST(InstanceTotals, CountsOfAnInstanceStayWhenItEndsAndItsRateGoesToTheNextOne) {
  InstanceTotals totals;
  totals.Report(1, TotalsOf(30, 1000), true, 0);
  EXPECT_EQ(totals.Sum().rate_bytes_per_second, 1000U) << "the last that is known";
  totals.Report(2, TotalsOf(5, 70), false, 1);
  EXPECT_EQ(totals.Sum().sent_packets, 35U);
  EXPECT_EQ(totals.Sum().rate_bytes_per_second, 70U);
}

TEST(InstanceTotals, RateOfAnInstanceThatFellSilentCountsNoMore) {
  InstanceTotals totals;
  totals.Report(1, TotalsOf(30, 1000), false, 0);
  totals.Report(2, TotalsOf(5, 70), false, InstanceTotals::kSilentTime);
  EXPECT_EQ(totals.Sum().rate_bytes_per_second, 1070U);
  totals.Report(2, TotalsOf(6, 70), false, InstanceTotals::kSilentTime + 1);
  EXPECT_EQ(totals.Sum().rate_bytes_per_second, 70U);
  EXPECT_EQ(totals.Sum().sent_packets, 36U);
}

TEST(InstanceTotals, TenThousandRestartsAllCount) {
  InstanceTotals totals;
  for (uint64_t id = 1; id <= 10'000; ++id) {
    totals.Report(id, TotalsOf(0), false, static_cast<Nanoseconds>(id));
    totals.Report(id, TotalsOf(3), true, static_cast<Nanoseconds>(id));
  }
  EXPECT_EQ(totals.Sum().sent_packets, 30'000U);
}

TEST(InstanceTotals, InstancesThatWereKilledGiveTheirPlaceAwayAndStayCounted) {
  InstanceTotals totals;
  for (uint64_t id = 1; id <= 1000; ++id) {
    const auto age = static_cast<Nanoseconds>(id) * kNanosPerSecond;
    totals.Report(id, TotalsOf(3), false, age);
  }
  EXPECT_EQ(totals.Sum().sent_packets, 3000U);
}

TEST(InstanceTotals, MoreThanTheBoundThatAllReportNeverCountTwice) {
  InstanceTotals totals;
  for (int round = 1; round <= 100; ++round) {
    for (uint64_t id = 1; id <= InstanceTotals::kMaxInstances + 5; ++id) {
      totals.Report(id, TotalsOf(1), false, round * kNanosPerSecond);
    }
  }
  EXPECT_EQ(totals.Sum().sent_packets, InstanceTotals::kMaxInstances);
}

}  // namespace
}  // namespace pcap_zmq
