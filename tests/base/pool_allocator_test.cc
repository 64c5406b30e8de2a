// SPDX-License-Identifier: MIT
#include "base/pool_allocator.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>

namespace pcap_zmq {
namespace {

std::shared_ptr<int> Make(FramePool* pool, int value) {
  return std::allocate_shared<int>(PoolAllocator<int>(pool), value);
}

TEST(PoolAllocator, PlacesAreUsedAgainWhicheverThreadLetsGo) {
  FramePool pool(128);
  std::shared_ptr<int> first = Make(&pool, 1);
  const int* const place = first.get();
  std::thread([gone = std::move(first)]() mutable { gone.reset(); }).join();
  const std::shared_ptr<int> second = Make(&pool, 2);
  EXPECT_EQ(second.get(), place);
  EXPECT_EQ(*second, 2);
}

TEST(PoolAllocator, ObjectsOutliveThePool) {
  std::optional<FramePool> pool(128);
  const std::shared_ptr<int> object = Make(&*pool, 7);
  pool.reset();
  EXPECT_EQ(*object, 7);
}

}  // namespace
}  // namespace pcap_zmq
