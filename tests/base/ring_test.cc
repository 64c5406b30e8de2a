// SPDX-License-Identifier: MIT
#include "base/ring.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace pcap_zmq {
namespace {

TEST(Ring, GivesElementsBackInOrderWhileItGrowsAndWraps) {
  Ring<int> ring;
  int pushed = 0;
  int popped = 0;
  for (int round = 1; round <= 40; ++round) {
    for (int i = 0; i < round; ++i) {
      ring.Push() = pushed++;
    }
    EXPECT_EQ(ring.back(), pushed - 1);
    for (int i = 0; i < round - round % 3; ++i) {
      ASSERT_EQ(ring.front(), popped++);
      ring.Pop();
    }
    ASSERT_EQ(ring.size(), static_cast<size_t>(pushed - popped));
    for (size_t i = 0; i < ring.size(); ++i) {
      ASSERT_EQ(ring[i], popped + static_cast<int>(i));
    }
  }
  EXPECT_FALSE(ring.empty());
}

TEST(Ring, SlotsKeepWhatTheirElementsOwn) {
  Ring<std::vector<int>> ring;
  for (int i = 0; i < 8; ++i) {
    ring.Push().assign(100, i);
    ring.Pop();
  }
  for (int i = 0; i < 8; ++i) {
    EXPECT_GE(ring.Push().capacity(), 100U);
    ring.Pop();
  }
  EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace pcap_zmq
