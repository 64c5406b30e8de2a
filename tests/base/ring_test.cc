// SPDX-License-Identifier: MIT
#include "base/ring.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include "tests/support/heap.h"

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

TEST(Ring, ALongListLeavesNoMemoryBehind) {
  const std::optional<size_t> before = testing::HeapBytes();
  if (!before.has_value()) {
    GTEST_SKIP() << testing::kHeapUnknown;
  }
  Ring<std::array<int, 32>> ring;
  for (int i = 0; i < 100'000; ++i) {
    ring.Push()[0] = i;
  }
  EXPECT_GT(*testing::HeapBytes(), *before + 100'000 * sizeof(std::array<int, 32>));
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(ring.front()[0], i);
    ring.Pop();
  }
  EXPECT_LT(*testing::HeapBytes(), *before + 4096);
  ring.Push()[0] = 1;
  EXPECT_EQ(ring.back()[0], 1);
}

TEST(Ring, PoppedElementsLetGoOfWhatTheyOwn) {
  Ring<std::shared_ptr<int>> ring;
  const auto owned = std::make_shared<int>(1);
  ring.Push() = owned;
  ring.Push() = owned;
  ring.Pop();
  EXPECT_EQ(owned.use_count(), 2);
  ring.Pop();
  EXPECT_EQ(owned.use_count(), 1);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(ring.Push(), nullptr);
  }
}

}  // namespace
}  // namespace pcap_zmq
