// SPDX-License-Identifier: MIT
#include "metrics/page_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/wait.h"

namespace pcap_zmq {
namespace {

using testing::FakeClock;
using testing::WaitUntil;

constexpr size_t kMiB = size_t{1} << 20;

// A page that tells how often it was made.
class PageCacheTest : public ::testing::Test {
 protected:
  std::string Make() {
    std::string page = std::to_string(++made_) + "\n";
    page.resize(std::max(size_, page.size()), '#');
    return page;
  }
  uint64_t Get() { return std::stoull(*cache_.Get()); }

  FakeClock clock_;
  uint64_t made_ = 0;
  size_t size_ = 0;
  PageCache cache_{[this] { return Make(); }, &clock_};
};

// As Prometheus does, and a test that waits for a number.
TEST_F(PageCacheTest, WhoAsksForSmallPagesHoweverOftenGetsANewOneEachTime) {
  size_ = 20'000;
  for (uint64_t i = 1; i <= 2000; ++i) {
    EXPECT_EQ(Get(), i);
    clock_.Advance(10 * kNanosPerMilli);
  }
}

TEST_F(PageCacheTest, WhoAsksForALargePageOnceASecondGetsANewOneEachTime) {
  size_ = 3 * kMiB;
  for (uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(Get(), i);
    clock_.Advance(kNanosPerSecond);
  }
}

TEST_F(PageCacheTest, WhoAsksForALargePageWithoutEndCostsNoMoreThanTheBudget) {
  size_ = 3 * kMiB / 2;
  constexpr int kSeconds = 60;
  for (int i = 0; i < 1000 * kSeconds; ++i) {
    Get();
    clock_.Advance(kNanosPerMilli);
  }
  const auto budget =
      static_cast<uint64_t>(PageCache::kBurstBytes + kSeconds * PageCache::kBytesPerSecond);
  EXPECT_LE(made_ * size_, budget + size_);
  EXPECT_GE(made_ * size_, budget - size_);
}

TEST_F(PageCacheTest, NoAnswerIsOlderThanASecond) {
  size_ = 100 * kMiB;
  EXPECT_EQ(Get(), 1U);
  clock_.Advance(PageCache::kLongestAge - 1);
  EXPECT_EQ(Get(), 1U);
  clock_.Advance(1);
  EXPECT_EQ(Get(), 2U);
  size_ = 0;
  clock_.Advance(3 * kNanosPerSecond);
  EXPECT_EQ(Get(), 3U);
  EXPECT_EQ(Get(), 4U) << "what was made in vain is forgotten soon";
}

// Each look at it is a nanosecond later than the one before.
class TickingClock final : public Clock {
 public:
  Nanoseconds MonotonicNow() const override { return ++looks_; }
  Nanoseconds WallNow() const override { return 0; }
  Nanoseconds looks() const { return looks_; }

 private:
  mutable std::atomic<Nanoseconds> looks_ = 0;
};

TEST(PageCache, ThoseWhoAskWhileAPageIsMadeShareTheNextOne) {
  const TickingClock clock;
  std::atomic<uint64_t> made = 0;
  std::promise<void> going_on;
  const std::shared_future<void> may_go_on = going_on.get_future().share();
  PageCache cache(
      [&] {
        const uint64_t number = ++made;
        may_go_on.wait();
        return std::to_string(number);
      },
      &clock);
  const auto ask = [&] { return std::async(std::launch::async, [&] { return *cache.Get(); }); };
  std::future<std::string> first = ask();
  ASSERT_TRUE(WaitUntil([&] { return made == 1; }));
  const Nanoseconds before = clock.looks();
  std::vector<std::future<std::string>> others;
  for (int i = 0; i < 8; ++i) {
    others.push_back(ask());
  }
  // Each has looked at the clock once, and waits.
  ASSERT_TRUE(WaitUntil([&] { return clock.looks() == before + 8; }));
  going_on.set_value();
  EXPECT_EQ(first.get(), "1");
  for (auto& other : others) {
    EXPECT_EQ(other.get(), "2") << "the first page was begun before it asked";
  }
  EXPECT_EQ(made, 2U);
}

}  // namespace
}  // namespace pcap_zmq
