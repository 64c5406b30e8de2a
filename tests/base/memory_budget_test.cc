// SPDX-License-Identifier: MIT
#include "base/memory_budget.h"

#include <gtest/gtest.h>

#include <utility>

namespace pcap_zmq {
namespace {

using Holder = MemoryBudget::Holder;

constexpr uint64_t kLimit = 4 * MemoryBudget::kLeast;

class MemoryBudgetTest : public ::testing::Test {
 protected:
  MemoryBudgetTest() { budget_.SetLimit(kLimit); }

  MemoryBudget budget_;
};

TEST_F(MemoryBudgetTest, OneHolderMayHaveAllThatTheOthersLeave) {
  budget_.Set(Holder::kTransport, MemoryBudget::kLeast);
  budget_.Add(Holder::kInbox, 3 * MemoryBudget::kLeast - 1);
  EXPECT_TRUE(budget_.HasRoom(Holder::kInbox));
  budget_.Add(Holder::kInbox, 1);
  EXPECT_FALSE(budget_.HasRoom(Holder::kInbox));
  EXPECT_EQ(budget_.Total(), kLimit);
  budget_.Remove(Holder::kInbox, 1);
  EXPECT_TRUE(budget_.HasRoom(Holder::kInbox));
}

TEST_F(MemoryBudgetTest, TheLeastIsEverybodysWhateverTheOthersHold) {
  budget_.Set(Holder::kTransport, 10 * kLimit);
  budget_.Add(Holder::kInbox, MemoryBudget::kLeast - 1);
  EXPECT_TRUE(budget_.HasRoom(Holder::kInbox));
  EXPECT_TRUE(budget_.HasRoom(Holder::kQueues));
  budget_.Add(Holder::kInbox, 1);
  EXPECT_FALSE(budget_.HasRoom(Holder::kInbox));
  EXPECT_TRUE(budget_.HasRoom(Holder::kQueues));
}

TEST_F(MemoryBudgetTest, AShareCountsUntilItsLastOwnerIsGone) {
  {
    MemoryShare share(&budget_, Holder::kQueues, 100);
    EXPECT_EQ(budget_.Held(Holder::kQueues), 100U);
    MemoryShare moved = std::move(share);
    EXPECT_EQ(budget_.Held(Holder::kQueues), 100U);
    MemoryShare other(&budget_, Holder::kInbox, 7);
    other = std::move(moved);
    EXPECT_EQ(budget_.Held(Holder::kInbox), 0U);
    EXPECT_EQ(budget_.Total(), 100U);
  }
  EXPECT_EQ(budget_.Total(), 0U);
}

}  // namespace
}  // namespace pcap_zmq
