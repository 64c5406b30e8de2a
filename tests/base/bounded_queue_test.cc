// SPDX-License-Identifier: MIT
#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kPatience = 60 * kNanosPerSecond;

TEST(BoundedQueue, GivesItemsBackInOrder) {
  BoundedQueue<int> queue(100);
  for (int i = 0; i < 5; ++i) {
    int item = i;
    EXPECT_TRUE(queue.TryPush(item, 1));
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(queue.Pop(0), i);
  }
  EXPECT_EQ(queue.Pop(0), std::nullopt);
}

TEST(BoundedQueue, RefusedItemStaysWithItsPusher) {
  BoundedQueue<std::unique_ptr<int>> queue(10);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_TRUE(queue.TryPush(first, 6));
  EXPECT_FALSE(queue.TryPush(second, 5));
  EXPECT_FALSE(queue.Push(second, 5, 0));
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(queue.TryPush(second, 4));
  EXPECT_EQ(second, nullptr);
}

TEST(BoundedQueue, ItemHeavierThanTheBoundFitsIntoAnEmptyQueueOnly) {
  BoundedQueue<int> queue(10);
  int item = 1;
  EXPECT_TRUE(queue.TryPush(item, 1000));
  EXPECT_FALSE(queue.TryPush(item, 1));
  EXPECT_EQ(queue.Pop(0), 1);
  EXPECT_TRUE(queue.Push(item, 1000, 0));
}

TEST(BoundedQueue, PoppedWeightMakesRoom) {
  BoundedQueue<int> queue(10);
  int item = 1;
  for (int round = 0; round < 100; ++round) {
    EXPECT_TRUE(queue.TryPush(item, 7));
    EXPECT_FALSE(queue.TryPush(item, 7));
    EXPECT_TRUE(queue.Pop(0).has_value());
  }
}

TEST(BoundedQueue, WaitingPushGoesThroughOnceSomebodyPops) {
  BoundedQueue<int> queue(10);
  int first = 1;
  ASSERT_TRUE(queue.TryPush(first, 10));
  bool pushed = false;
  std::thread pusher([&] {
    int second = 2;
    pushed = queue.Push(second, 10, kPatience);
  });
  EXPECT_EQ(queue.Pop(kPatience), 1);
  EXPECT_EQ(queue.Pop(kPatience), 2);
  pusher.join();
  EXPECT_TRUE(pushed);
}

TEST(BoundedQueue, CloseEndsEveryWaitAndLeavesWhatIsInside) {
  BoundedQueue<int> full(10);
  BoundedQueue<int> empty(10);
  int item = 1;
  ASSERT_TRUE(full.TryPush(item, 10));
  bool pushed = true;
  std::optional<int> popped = 1;
  std::thread pusher([&] {
    int second = 2;
    pushed = full.Push(second, 10, kPatience);
  });
  std::thread popper([&] { popped = empty.Pop(kPatience); });
  full.Close();
  empty.Close();
  pusher.join();
  popper.join();
  EXPECT_FALSE(pushed);
  EXPECT_EQ(popped, std::nullopt);
  EXPECT_TRUE(empty.Finished());
  EXPECT_FALSE(full.Finished());
  EXPECT_FALSE(full.TryPush(item, 1));
  EXPECT_EQ(full.Pop(0), 1);
  EXPECT_TRUE(full.Finished());
}

TEST(BoundedQueue, ManyPushersAndPoppersLoseAndDoubleNothing) {
  constexpr int kThreads = 3;
  constexpr int kItems = 2000;
  BoundedQueue<int> queue(50);
  std::vector<std::thread> pushers;
  std::vector<std::thread> poppers;
  std::vector<std::vector<int>> taken(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    pushers.emplace_back([&queue, t] {
      for (int i = 0; i < kItems; ++i) {
        int item = t * kItems + i;
        EXPECT_TRUE(queue.Push(item, static_cast<size_t>(1 + i % 20), kPatience));
      }
    });
    poppers.emplace_back([&queue, &mine = taken[static_cast<size_t>(t)]] {
      while (!queue.Finished()) {
        if (const std::optional<int> item = queue.Pop(kNanosPerMilli); item.has_value()) {
          mine.push_back(*item);
        }
      }
    });
  }
  for (std::thread& pusher : pushers) {
    pusher.join();
  }
  queue.Close();
  for (std::thread& popper : poppers) {
    popper.join();
  }
  std::vector<int> times(static_cast<size_t>(kThreads) * kItems);
  for (const std::vector<int>& mine : taken) {
    for (const int item : mine) {
      ++times[static_cast<size_t>(item)];
    }
  }
  EXPECT_EQ(times, std::vector<int>(times.size(), 1));
}

}  // namespace
}  // namespace pcap_zmq
