// SPDX-License-Identifier: MIT
#include "app/program_support.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

namespace pcap_zmq {
namespace {

// The limit of open files, put back at the end.
class DescriptorLimit : public ::testing::Test {
 protected:
  DescriptorLimit() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimit() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  void SetSoft(rlim_t soft) const {
    ASSERT_LE(soft, before_.rlim_max);
    const rlimit limit{.rlim_cur = soft, .rlim_max = before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

  rlimit before_{};
};

TEST_F(DescriptorLimit, IsRaisedAsFarAsAllowedAndNeverLowered) {
  SetSoft(100);
  RaiseDescriptorLimit();
  rlimit raised{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &raised), 0);
  EXPECT_EQ(raised.rlim_max, before_.rlim_max);
  EXPECT_EQ(raised.rlim_cur, std::min<rlim_t>(before_.rlim_max, 70'000));
  RaiseDescriptorLimit();
  rlimit again{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &again), 0);
  EXPECT_EQ(again.rlim_cur, raised.rlim_cur);
}

TEST_F(DescriptorLimit, LeavesConnectionsWhatTheOthersDoNotNeed) {
  SetSoft(1024);
  EXPECT_EQ(ConnectionsWithinLimit(10), 10U);
  EXPECT_EQ(ConnectionsWithinLimit(768), 768U);
  EXPECT_EQ(ConnectionsWithinLimit(1024), 768U);
  SetSoft(300);
  EXPECT_EQ(ConnectionsWithinLimit(1024), 150U);
  EXPECT_EQ(ConnectionsWithinLimit(1), 1U);
}

}  // namespace
}  // namespace pcap_zmq
