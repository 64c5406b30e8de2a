// SPDX-License-Identifier: MIT
// Twin of src/source/nflog_source.cc
//
// How a source follows the rate and how it stops.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "source/nflog_source.h"
#include "tests/source/nflog_fixture.h"
#include "tests/source/raw_sender.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

using testing::kDay;
using testing::kNeverFlush;
using testing::LoopbackV4;
using testing::LoopbackV6;
using testing::NflogSourceTest;
using testing::WithoutCapability;

/// A source whose rate is what the test says: only it tells how much time has passed.
class NflogControlTest : public NflogSourceTest {
 protected:
  // Lets `duration` pass in which `packets` come, of which the source gets what the kernel gives.
  void Follow(NflogSource* source, int packets, Nanoseconds duration) {
    source->FollowRate(now_);  // a new source has yet to learn when this is
    for (int sent = 0; sent < packets; sent += kBurst) {
      Send(std::min(kBurst, packets - sent));
      ReadAll(source);
    }
    now_ += duration;
    source->FollowRate(now_);
  }
  // So long that nothing before it counts.
  void FollowOneSecond(NflogSource* source, int packets) {
    Follow(source, packets, kNanosPerSecond);
  }

 private:
  static constexpr int kBurst = 100;  // fits any receive buffer
  Nanoseconds now_ = 1'000 * kNanosPerSecond;
};

TEST_F(NflogControlTest, CalmTrafficIsDeliveredPacketByPacket) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .flush_interval = kNeverFlush});
  EXPECT_EQ(stats_.nflog_threshold.Value(), 1);
  Send(1);
  EXPECT_EQ(ReadAll(source.get()).size(), 1U);
}

TEST_F(NflogControlTest, KernelBatchGrowsAndShrinksWithTheRate) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .flush_interval = kNeverFlush});
  FollowOneSecond(source.get(), 4'000);
  EXPECT_EQ(stats_.nflog_threshold.Value(), 5);
  Send(4);
  EXPECT_EQ(source->Read(batch_.get(), 0), kNothing) << "the kernel holds the batch back";
  Send(1);
  EXPECT_EQ(ReadAll(source.get()).size(), 5U);
  for (int second = 0; second < 3; ++second) {
    FollowOneSecond(source.get(), 0);
  }
  EXPECT_EQ(stats_.nflog_threshold.Value(), 1);
  Send(1);
  EXPECT_EQ(ReadAll(source.get()).size(), 1U);
  EXPECT_EQ(stats_.damaged_records.Value(), 0U);
}

TEST_F(NflogControlTest, KernelBatchFollowsABurstWithinATenthOfASecond) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .flush_interval = kNeverFlush});
  FollowOneSecond(source.get(), 1);
  ASSERT_EQ(stats_.nflog_threshold.Value(), 1);
  for (int i = 0; i < 10; ++i) {
    Follow(source.get(), 200, kFollowInterval);
  }
  EXPECT_GE(stats_.nflog_threshold.Value(), 20) << "a millisecond of 20,000 packets/s";
  EXPECT_LE(stats_.nflog_threshold.Value(), 30);
  Follow(source.get(), 0, 10 * kFollowInterval);
  EXPECT_GE(stats_.nflog_threshold.Value(), 12) << "a pause does not undo the batches";
}

TEST_F(NflogControlTest, APacketAfterABurstWaitsForTheKernelsTimerAlone) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}});
  FollowOneSecond(source.get(), 4'000);
  ASSERT_EQ(stats_.nflog_threshold.Value(), 5);
  Send(1);
  EXPECT_EQ(ReadPackets(source.get(), 1).size(), 1U);
}

TEST_F(NflogControlTest, QuietGroupIsNotHeldBackByABusyOne) {
  Log("output", "meta nfproto ipv4 log group 10\n udp dport 5000 meta nfproto ipv6 log group 11");
  const auto source = Open({.groups = {10, 11}, .flush_interval = kNeverFlush});
  Send(1, LoopbackV6("quiet"));
  FollowOneSecond(source.get(), 4'000);
  EXPECT_EQ(stats_.nflog_threshold.Value(), 5);
  Send(1, LoopbackV6("quiet"));
  EXPECT_EQ(ReadAll(source.get()).size(), 1U);
}

TEST_F(NflogControlTest, FixedThresholdDoesNotFollowTheRate) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .threshold = 3, .flush_interval = kNeverFlush});
  FollowOneSecond(source.get(), 6'000);
  EXPECT_EQ(group(0).captured_packets.Value(), 6'000U);
  EXPECT_EQ(stats_.nflog_threshold.Value(), 3);
  Send(2);
  EXPECT_EQ(source->Read(batch_.get(), 0), kNothing);
  Send(1);
  EXPECT_EQ(ReadAll(source.get()).size(), 3U);
}

TEST_F(NflogControlTest, DroppedCapabilityFreezesTheThresholdWithOneWarning) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .flush_interval = kNeverFlush});
  const WithoutCapability without(CAP_NET_ADMIN);
  ::testing::internal::CaptureStderr();
  for (int round = 0; round < 3; ++round) {
    FollowOneSecond(source.get(), 4'000);
    Send(1);
    EXPECT_EQ(ReadAll(source.get()).size(), 1U);
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_NE(log.find("CAP_NET_ADMIN"), std::string::npos) << log;
  EXPECT_EQ(stats_.nflog_threshold.Value(), 1);
}

TEST_F(NflogControlTest, StoppingDeliversWhatTheKernelHoldsBackThenEndsAndFreesTheGroup) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .threshold = 100, .flush_interval = kNeverFlush});
  Send(10);
  EXPECT_EQ(source->Read(batch_.get(), 0), kNothing);
  stop_.Request(0);
  source->StopIntake();
  Send(5);
  EXPECT_EQ(ReadAll(source.get()).size(), 10U);
  EXPECT_EQ(source->Read(batch_.get(), kDay), kEnd);
  EXPECT_EQ(source->Read(batch_.get(), 0), kEnd);
  EXPECT_EQ(group(0).captured_packets.Value(), 10U);
  EXPECT_NE(Open({.groups = {10}}), nullptr);
}

TEST_F(NflogControlTest, StoppingWithoutTheCapabilityDeliversWhatWasLoggedThenEnds) {
  testing::FakeClock clock;
  clock_ = &clock;
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .threshold = 100});
  const WithoutCapability without(CAP_NET_ADMIN);
  Send(10);
  source->StopIntake();
  ReadPackets(source.get(), 10);
  EXPECT_EQ(source->Read(batch_.get(), 0), kNothing) << "the kernel's timer may not be over";
  clock.Advance(kNanosPerSecond);
  EXPECT_EQ(source->Read(batch_.get(), 0), kEnd);
  Send(200);
  EXPECT_EQ(source->Read(batch_.get(), 0), kEnd);
}

TEST_F(NflogControlTest, StoppingAfterAnOverrunStillCountsTheLosses) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10},
                            .receive_buffer_bytes = 64 * 1024,
                            .threshold = 10,
                            .flush_interval = kNeverFlush});
  // The last five wait in the kernel for the rest of their batch.
  constexpr int kSent = 20'005;
  Send(kSent);
  source->StopIntake();
  while (source->Read(batch_.get(), 0) == kPackets) {
  }
  EXPECT_EQ(source->Read(batch_.get(), 0), kEnd);
  EXPECT_GE(stats_.overruns.Value(), 1U);
  EXPECT_GT(group(0).kernel_lost_packets.Value(), 0U);
  EXPECT_EQ(group(0).captured_packets.Value() + group(0).kernel_lost_packets.Value(),
            static_cast<uint64_t>(kSent));
}

}  // namespace
}  // namespace pcap_zmq
