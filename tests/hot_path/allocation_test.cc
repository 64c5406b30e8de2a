// SPDX-License-Identifier: MIT
//
// Twin of none: that the hot path allocates nothing is a property of all its folders together.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codec/frame_encoder.h"
#include "tests/hot_path/allocation_counter.h"
#include "tests/hot_path/hot_path_steps.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "transport/pull_socket.h"
#include "transport/push_socket.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {
namespace {

using testing::Allocations;
using testing::FirstAllocation;
using testing::HotPathStepNames;
using testing::kGenerously;
using testing::MakeHotPathStep;
using testing::StartCounting;
using testing::StopCounting;
using testing::TempDir;
using testing::WaitUntil;

constexpr int kWarmUp = 5;
constexpr int kRounds = 20;

TEST(AllocationCounter, SeesEveryWayToAllocate) {
  StartCounting();
  std::vector<int> made(100);
  std::string text(100, 'x');
  void* plain = std::malloc(10);
  plain = std::realloc(plain, 1000);
  void* cleared = std::calloc(10, 10);
  const Allocations counted = StopCounting();
  std::free(plain);
  std::free(cleared);
  EXPECT_EQ(counted.ours, 5U) << FirstAllocation();
  EXPECT_EQ(made.size() + text.size(), 200U);
}

class HotPathStepTest : public ::testing::TestWithParam<std::string_view> {};

TEST_P(HotPathStepTest, AllocatesNothingOnceItIsWarm) {
  const TempDir directory;
  const auto step = MakeHotPathStep(GetParam(), directory.path());
  ASSERT_NE(step, nullptr);
  const auto round = [&](bool counted) {
    step->Prepare();
    if (counted) {
      StartCounting();
    }
    const uint64_t packets = step->Run();
    const Allocations allocations = counted ? StopCounting() : Allocations{};
    step->Finish();
    EXPECT_GT(packets, 0U);
    EXPECT_EQ(allocations.ours, 0U)
        << "for " << packets << " packets; the first one came from" << FirstAllocation();
  };
  for (int i = 0; i < kWarmUp; ++i) {
    round(false);
  }
  for (int i = 0; i < kRounds && !HasFailure(); ++i) {
    round(true);
  }
}

INSTANTIATE_TEST_SUITE_P(All, HotPathStepTest, ::testing::ValuesIn(HotPathStepNames()),
                         [](const auto& param) { return std::string(param.param); });

// Frames of both sizes over TCP, made and received by this thread; ZeroMQ's I/O threads are not
// ours, and what ZeroMQ allocates for a message in our threads is told apart.
TEST(Transport, AllocatesNothingOfItsOwnForAFrame) {
  const ZmqContext context(2);
  ReceiverStats stats;
  auto pull = PullSocket::Bind(context, {.endpoint = "tcp://127.0.0.1:*"}, &stats);
  ASSERT_TRUE(pull.ok());
  auto push = PushSocket::Connect(context, {.endpoint = pull.value()->bound_endpoint()});
  ASSERT_TRUE(push.ok());
  FramePool pool(kFrameHeaderBytes + kPlainFrameTarget);
  Allocations all;
  const auto carry = [&](size_t size) {
    StartCounting();
    Frame frame = pool.Allocate(size);
    ASSERT_EQ(push.value()->Send(std::move(frame)), SendOutcome::kAccepted);
    Allocations counted = StopCounting();
    Frame arrived;
    ASSERT_TRUE(WaitUntil(
        [&] {
          StartCounting();
          const bool came = pull.value()->Receive(&arrived);
          const Allocations more = StopCounting();
          counted.ours += more.ours;
          counted.zeromqs += more.zeromqs;
          return came || pull.value()->Wait({}, 10 * kNanosPerMilli);
        },
        kGenerously, std::chrono::milliseconds(0)));
    EXPECT_EQ(arrived.size(), size);
    all.ours += counted.ours;
    all.zeromqs += counted.zeromqs;
    // The memory is back as soon as ZeroMQ's thread has let go of it, which needs no event here:
    // a frame more in the pool does no harm.
    ASSERT_TRUE(WaitUntil(
        [&] { return push.value()->released().frames == push.value()->accepted().frames; },
        kGenerously, std::chrono::milliseconds(0)));
  };
  constexpr size_t kSizes[] = {200, 20'000, kFrameHeaderBytes + kPlainFrameTarget};
  for (int i = 0; i < 300; ++i) {
    carry(kSizes[i % 3]);
  }
  all = {};
  constexpr int kFrames = 300;
  for (int i = 0; i < kFrames; ++i) {
    carry(kSizes[i % 3]);
  }
  EXPECT_EQ(all.ours, 0U) << "the first one came from" << FirstAllocation();
  EXPECT_LE(all.zeromqs, 3U * kFrames);
  RecordProperty("zeromq_allocations_per_frame",
                 std::to_string(static_cast<double>(all.zeromqs) / kFrames));
}

}  // namespace
}  // namespace pcap_zmq
