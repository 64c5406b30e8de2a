// SPDX-License-Identifier: MIT
//
// What comes out of a source, and when it cannot start.
#include "source/nflog_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/source/nflog_fixture.h"
#include "tests/source/raw_sender.h"
#include "tests/support/fake_clock.h"
#include "tests/support/netfilter.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Delivered;
using testing::kDay;
using testing::kNeverFlush;
using testing::kPatience;
using testing::LoopbackV4;
using testing::LoopbackV6;
using testing::NflogSourceTest;
using testing::WithoutCapability;

TEST_F(NflogSourceTest, TwoGroupsOverOneSocketDeliverIpv4AndIpv6ByteForByte) {
  Log("input", "meta nfproto ipv4 log group 10 drop");
  Log("output", "meta nfproto ipv6 log group 11");
  const auto source = Open({.groups = {10, 11}});
  std::vector<Bytes> sent;
  for (size_t i = 0; i < 40; ++i) {
    const std::string body(i * 37, static_cast<char>('a' + i % 26));
    sent.push_back(i % 2 == 0 ? LoopbackV4(body) : LoopbackV6(body));
    sender_->Send(sent.back());
  }
  std::vector<Bytes> received;
  for (const Delivered& packet : ReadPackets(source.get(), sent.size())) {
    EXPECT_EQ(packet.original_length, packet.bytes.size());
    received.push_back(packet.bytes);
  }
  std::sort(sent.begin(), sent.end());
  std::sort(received.begin(), received.end());
  EXPECT_EQ(received, sent);
  EXPECT_EQ(group(0).label, "nflog:10");
  EXPECT_EQ(group(1).label, "nflog:11");
  for (const size_t i : {0U, 1U}) {
    EXPECT_EQ(group(i).captured_packets.Value(), 20U);
    EXPECT_EQ(group(i).kernel_lost_packets.Value(), 0U);
  }
  uint64_t bytes = 0;
  for (const Bytes& packet : sent) {
    bytes += packet.size();
  }
  EXPECT_EQ(group(0).captured_bytes.Value() + group(1).captured_bytes.Value(), bytes);
  EXPECT_GT(stats_.receive_buffer_bytes.Value(), 0);
}

TEST_F(NflogSourceTest, PacketsOfOneGroupKeepTheirOrder) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .threshold = 7});
  for (int i = 0; i < 500; ++i) {
    sender_->Send(LoopbackV4(std::to_string(i)));
  }
  const std::vector<Delivered> packets = ReadPackets(source.get(), 500);
  for (size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(packets[i].bytes, LoopbackV4(std::to_string(i)));
  }
}

TEST_F(NflogSourceTest, SnaplenCutsPacketsAndTheIpHeaderKeepsTheirLength) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .snaplen = 64});
  for (const Bytes& whole :
       {LoopbackV4(std::string(1000, 'x')), LoopbackV6(std::string(1000, 'x'))}) {
    sender_->Send(whole);
    const std::vector<Delivered> packets = ReadPackets(source.get(), 1);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].bytes, Bytes(whole.begin(), whole.begin() + 64));
    EXPECT_EQ(packets[0].original_length, whole.size());
  }
}

TEST_F(NflogSourceTest, InputPacketsCarryTheKernelsTimeAndOutputPacketsTheTimeOfReading) {
  testing::FakeClock fake;
  clock_ = &fake;
  Log("input", "log group 10 drop");
  Log("output", "log group 11");
  const Nanoseconds before = system_clock_.WallNow() / kNanosPerMicro * kNanosPerMicro;
  const auto source = Open({.groups = {10, 11}});
  Send(1);
  const std::vector<Delivered> packets = ReadPackets(source.get(), 2);
  const Nanoseconds after = system_clock_.WallNow();
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].timestamp, fake.WallNow()) << "OUTPUT comes first and has no stamp";
  EXPECT_GE(packets[1].timestamp, before);
  EXPECT_LE(packets[1].timestamp, after);
}

TEST_F(NflogSourceTest, TimeOfReadingIsNeverBeforeThePacketBefore) {
  testing::FakeClock slow(system_clock_.WallNow() - kNanosPerSecond);
  clock_ = &slow;
  Log("input", "log group 10 drop");
  Log("output", "log group 11");
  const auto source = Open({.groups = {10, 11}});
  Send(1);
  const std::vector<Delivered> first = ReadPackets(source.get(), 2);
  Send(1);
  const std::vector<Delivered> second = ReadPackets(source.get(), 2);
  ASSERT_EQ(first.size() + second.size(), 4U);
  EXPECT_EQ(second[0].timestamp, first[1].timestamp);
  EXPECT_GE(second[1].timestamp, first[1].timestamp);
}

TEST_F(NflogSourceTest, ClockThatIsSetBackIsFollowed) {
  testing::FakeClock fake;
  clock_ = &fake;
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}});
  Send(1);
  ASSERT_EQ(ReadPackets(source.get(), 1).size(), 1U);
  fake.StepWall(-kDay);
  Send(1);
  const std::vector<Delivered> packets = ReadPackets(source.get(), 1);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].timestamp, fake.WallNow());
}

TEST_F(NflogSourceTest, PacketsWithoutPayloadAreCapturedAndDropped) {
  Log("output", "log group 10 snaplen 0");
  const auto source = Open({.groups = {10}});
  Send(3);
  EXPECT_EQ(source->Read(batch_.get(), 0), kNothing);
  EXPECT_EQ(group(0).captured_packets.Value(), 3U);
  EXPECT_EQ(group(0).captured_bytes.Value(), 0U);
  EXPECT_EQ(stats_.dropped.Value(DropReason::kNoPayload), 3U);
  EXPECT_EQ(stats_.dropped.Total(), 3U);
}

TEST_F(NflogSourceTest, EgressFramesAreCutToIpAndOtherProtocolsDroppedByLinkType) {
  Log("input", "drop");  // so that nothing answers
  const std::string chain =
      "table netdev t {\n chain c {\n type filter hook egress device lo priority 0\n";
  if (const Status hooked = testing::LoadRules(chain + " }\n}\n"); !hooked.ok()) {
    GTEST_SKIP() << "no egress hook here: " << hooked.error().message;
  }
  const Status loaded = testing::LoadRules(chain + " log group 10\n }\n}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  const auto source = Open({.groups = {10}});
  const testing::FrameSender frames("lo");
  frames.Send(0x88b5, Bytes(46, 0x45));
  sender_->Send(LoopbackV4("egress"));
  const std::vector<Delivered> packets = ReadPackets(source.get(), 1);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes, LoopbackV4("egress"));
  EXPECT_EQ(group(0).captured_packets.Value(), 2U);
  EXPECT_EQ(stats_.dropped.Value(DropReason::kLinkType), 1U);
}

TEST_F(NflogSourceTest, LossesUnderAnOverrunAreCountedExactly) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .receive_buffer_bytes = 64 * 1024, .threshold = 10});
  constexpr int kSent = 20'000;
  Send(kSent);
  const size_t before = ReadAll(source.get()).size();
  EXPECT_LT(before, static_cast<size_t>(kSent));
  EXPECT_GE(stats_.overruns.Value(), 1U);
  // A batch that the kernel delivers shows what was lost before it.  Its timer may have sent a part
  // of one early, so the last packets may be left to it, too.
  Send(10);
  const auto accounted_for = [this] {
    return group(0).captured_packets.Value() + group(0).kernel_lost_packets.Value();
  };
  while (accounted_for() < kSent + 10U && source->Read(batch_.get(), kPatience) == kPackets) {
  }
  EXPECT_GT(group(0).kernel_lost_packets.Value(), 0U);
  EXPECT_EQ(accounted_for(), kSent + 10U);
  EXPECT_EQ(stats_.truncated_datagrams.Value(), 0U);
  EXPECT_EQ(stats_.damaged_records.Value(), 0U);
}

TEST_F(NflogSourceTest, LargePacketsAtFullBatchSizeAreNotTruncated) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}, .threshold = 512, .flush_interval = kNeverFlush});
  const Bytes packet = LoopbackV4(std::string(30'000, 'x'));
  Send(100, packet);
  source->StopIntake();
  size_t packets = 0;
  while (source->Read(batch_.get(), 0) == kPackets) {
    packets += batch_->size();
    EXPECT_EQ(batch_->packets()[0].captured_length, packet.size());
  }
  EXPECT_EQ(packets, 100U);
  EXPECT_EQ(stats_.truncated_datagrams.Value(), 0U);
  EXPECT_EQ(group(0).kernel_lost_packets.Value(), 0U);
}

TEST_F(NflogSourceTest, NoPacketIsThrownAwayWhileTheGroupsAreBound) {
  Log("output", "log group 10");
  std::atomic<bool> done{false};
  std::atomic<int> sent{0};
  std::thread traffic([&] {
    while (!done) {
      Send(1);
      ++sent;
      // At a pace of which the buffer holds seconds.
      std::this_thread::sleep_for(std::chrono::microseconds(100));  // NOLINT(sleep)
    }
  });
  while (sent == 0) {
    std::this_thread::yield();
  }
  std::vector<uint16_t> groups = {10};
  for (uint16_t i = 100; i < 150; ++i) {
    groups.push_back(i);
  }
  const auto source = Open({.groups = groups});
  EXPECT_EQ(source->Read(batch_.get(), kPatience), kPackets);
  done = true;
  traffic.join();
  const Bytes last = LoopbackV4("last");
  Send(1, last);
  std::vector<Delivered> packets(1);
  while (packets.back().bytes != last && source->Read(batch_.get(), kPatience) == kPackets) {
    Append(&packets);
  }
  EXPECT_EQ(packets.back().bytes, last);
  EXPECT_EQ(group(0).kernel_lost_packets.Value(), 0U);
}

TEST_F(NflogSourceTest, GroupInUseIsRefusedWithItsHoldersNameAndIsFreedWithItsSource) {
  const NflogOptions options{.groups = {10}};
  auto holder = Open(options);
  const Error error = OpenError({.groups = {9, 10}});
  EXPECT_EQ(error.kind, ErrorKind::kRuntime);
  EXPECT_NE(error.message.find("NFLOG group 10 is in use by process " + std::to_string(::getpid())),
            std::string::npos)
      << error.message;
  EXPECT_EQ(stats_.sources.size(), 1U) << "a failed start leaves nothing behind";
  holder.reset();
  EXPECT_NE(Open(options), nullptr);
}

TEST_F(NflogSourceTest, MissingCapabilityIsNamed) {
  const WithoutCapability without(CAP_NET_ADMIN);
  const Error error = OpenError({.groups = {10}});
  EXPECT_EQ(error.kind, ErrorKind::kRuntime);
  EXPECT_NE(error.message.find("CAP_NET_ADMIN"), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
}

TEST_F(NflogSourceTest, NoGroupAndRepeatedGroupsAreConfigurationErrors) {
  EXPECT_EQ(OpenError({}).kind, ErrorKind::kConfig);
  const Error error = OpenError({.groups = {3, 4, 3}});
  EXPECT_EQ(error.kind, ErrorKind::kConfig);
  EXPECT_NE(error.message.find("group 3"), std::string::npos) << error.message;
}

TEST_F(NflogSourceTest, ReadWaitsNoLongerThanItsTimeoutOrTheStop) {
  const auto source = Open({.groups = {10}});
  EXPECT_EQ(source->Read(batch_.get(), 0), kNothing);
  EXPECT_EQ(source->Read(batch_.get(), kNanosPerMilli), kNothing);
  stop_.Request(0);
  EXPECT_EQ(source->Read(batch_.get(), kDay), kNothing);
}

TEST_F(NflogSourceTest, ReadThatWaitsIsWokenByAPacket) {
  Log("output", "log group 10");
  const auto source = Open({.groups = {10}});
  std::thread traffic([this] { Send(1); });
  EXPECT_EQ(source->Read(batch_.get(), kDay), kPackets);
  traffic.join();
}

}  // namespace
}  // namespace pcap_zmq
