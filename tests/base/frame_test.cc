// SPDX-License-Identifier: MIT
#include "base/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/heap.h"

namespace pcap_zmq {
namespace {

// Counts how often a frame was given back.
struct Owner {
  static void Release(void* owner) { ++static_cast<Owner*>(owner)->released; }
  int released = 0;
};

class FrameTest : public ::testing::Test {
 protected:
  Frame Make() { return {bytes_.data(), bytes_.size(), &Owner::Release, &owner_}; }

  std::array<uint8_t, 4> bytes_{1, 2, 3, 4};
  Owner owner_;
};

using FrameOwnership = FrameTest;

TEST_F(FrameOwnership, GoingOutOfScopeReleasesOnce) {
  {
    const Frame frame = Make();
    EXPECT_EQ(frame.bytes().size(), 4U);
    EXPECT_EQ(frame.data(), bytes_.data());
    EXPECT_EQ(owner_.released, 0);
  }
  EXPECT_EQ(owner_.released, 1);
}

TEST_F(FrameOwnership, MovingHandsOverAndLeavesNothingBehind) {
  Frame first = Make();
  first.set_packet_count(9);
  {
    const Frame second = std::move(first);
    EXPECT_EQ(second.size(), 4U);
    EXPECT_EQ(second.packet_count(), 9U);
    EXPECT_TRUE(first.empty());           // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(first.packet_count(), 0U);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(owner_.released, 0);
  }
  EXPECT_EQ(owner_.released, 1);
}

TEST_F(FrameOwnership, AssigningReleasesWhatWasHeldBefore) {
  Owner other;
  std::array<uint8_t, 2> other_bytes{};
  Frame frame(other_bytes.data(), other_bytes.size(), &Owner::Release, &other);
  frame = Make();
  EXPECT_EQ(other.released, 1);
  EXPECT_EQ(owner_.released, 0);
  EXPECT_EQ(frame.data(), bytes_.data());
}

TEST_F(FrameOwnership, ReleaseLeavesTheDutyToTheCaller) {
  {
    Frame frame = Make();
    const auto [release, owner] = frame.Release();
    EXPECT_TRUE(frame.empty());
    EXPECT_EQ(frame.data(), nullptr);
    EXPECT_EQ(owner_.released, 0);
    release(owner);
  }
  EXPECT_EQ(owner_.released, 1);
}

TEST_F(FrameOwnership, TruncateOnlyEverShortens) {
  Frame frame = Make();
  frame.Truncate(3);
  EXPECT_EQ(frame.size(), 3U);
  frame.Truncate(10);
  EXPECT_EQ(frame.size(), 3U);
}

TEST(FramePool, GivesFramesOfExactlyTheSizeAskedFor) {
  FramePool pool(1024);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1023}, size_t{1024}, size_t{1025}}) {
    Frame frame = pool.Allocate(size);
    ASSERT_EQ(frame.size(), size);
    if (size > 0) {
      std::memset(frame.data(), 0xa5, size);  // the sanitizers see a buffer that is too short
      EXPECT_EQ(std::count(frame.bytes().begin(), frame.bytes().end(), 0xa5),
                static_cast<std::ptrdiff_t>(size));
    }
  }
}

TEST(FramePool, ReusesABufferThatCameBack) {
  FramePool pool(256);
  Frame frame = pool.Allocate(100);
  const uint8_t* const first = frame.data();
  frame = Frame();
  frame = pool.Allocate(200);
  EXPECT_EQ(frame.data(), first);
}

TEST(FramePool, FramesThatAreOutTogetherDoNotOverlap) {
  FramePool pool(64);
  std::vector<Frame> frames;
  std::set<const uint8_t*> starts;
  for (int i = 0; i < 100; ++i) {
    frames.push_back(pool.Allocate(64));
    std::memset(frames.back().data(), i, 64);
    EXPECT_TRUE(starts.insert(frames.back().data()).second);
  }
  for (int i = 0; i < 100; ++i) {
    const auto bytes = frames[static_cast<size_t>(i)].bytes();
    EXPECT_EQ(std::count(bytes.begin(), bytes.end(), i), 64);
  }
}

TEST(FramePool, AFrameMayOutliveThePool) {
  Frame pooled;
  Frame oversized;
  {
    FramePool pool(64);
    pooled = pool.Allocate(64);
    oversized = pool.Allocate(65);
  }
  std::memset(pooled.data(), 1, pooled.size());
  std::memset(oversized.data(), 2, oversized.size());
  EXPECT_EQ(pooled.bytes()[63], 1);
  EXPECT_EQ(oversized.bytes()[64], 2);
}

TEST(FramePool, FramesAreReleasedByAnotherThreadAlsoAfterThePoolIsGone) {
  std::vector<Frame> frames;
  std::optional<FramePool> pool(std::in_place, 64);
  for (int i = 0; i < 1000; ++i) {
    frames.push_back(pool->Allocate(64));
  }
  std::thread releaser([mine = std::move(frames)]() mutable {
    for (Frame& frame : mine) {
      frame = Frame();
    }
  });
  pool.reset();  // races with the releases on purpose: the sanitizers are the judges
  releaser.join();
  EXPECT_FALSE(pool.has_value());
}

TEST(FramePool, ABurstLeavesNoMemoryBehind) {
  const std::optional<size_t> before = testing::HeapBytes();
  if (!before.has_value()) {
    GTEST_SKIP() << testing::kHeapUnknown;
  }
  constexpr size_t kMiB = 1024 * 1024;
  FramePool pool(kMiB);
  std::vector<Frame> burst;
  for (int i = 0; i < 40; ++i) {
    burst.push_back(pool.Allocate(kMiB));
  }
  EXPECT_GT(*testing::HeapBytes(), *before + 40 * kMiB);
  burst.clear();
  EXPECT_LT(*testing::HeapBytes(), *before + 9 * kMiB);
  std::set<const uint8_t*> buffers;
  for (int i = 0; i < 40; ++i) {
    buffers.insert(pool.Allocate(kMiB).data());
  }
  EXPECT_LE(buffers.size(), 8U) << "what was kept is not used";
}

TEST(FramePool, ManyThreadsReleaseWhileOneAllocates) {
  constexpr size_t kThreads = 3;
  constexpr size_t kRounds = 500;
  FramePool pool(64);
  std::set<const uint8_t*> buffers;
  for (size_t round = 0; round < kRounds; ++round) {
    std::array<Frame, kThreads> frames;
    for (Frame& frame : frames) {
      frame = pool.Allocate(64);
      buffers.insert(frame.data());
    }
    std::vector<std::thread> releasers;
    for (Frame& frame : frames) {
      releasers.emplace_back([mine = std::move(frame)]() mutable { mine = Frame(); });
    }
    const Frame meanwhile = pool.Allocate(64);
    buffers.insert(meanwhile.data());
    for (std::thread& releaser : releasers) {
      releaser.join();
    }
  }
  EXPECT_LE(buffers.size(), kThreads + 1) << "buffers that came back were not reused";
}

}  // namespace
}  // namespace pcap_zmq
