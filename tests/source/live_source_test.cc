// SPDX-License-Identifier: MIT
//
// On real interfaces, in a private network namespace.
#include "source/live_source.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/source/raw_sender.h"
#include "tests/support/fake_clock.h"
#include "tests/support/net_namespace.h"
#include "tests/support/packet_builder.h"
#include "tests/support/process.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::LoopbackV4;
using testing::LoopbackV6;
using testing::WithoutCapability;

constexpr Nanoseconds kPatience = 30 * kNanosPerSecond;
constexpr Nanoseconds kDay = 86400 * kNanosPerSecond;
constexpr uint16_t kIpv4 = 0x0800;
constexpr uint16_t kExperimental = 0x88b5;

class LiveSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status entered = testing::EnterPrivateNetwork(); !entered.ok()) {
      GTEST_SKIP() << entered.error().message;
    }
  }

  // A pair of interfaces of which one end is captured; nothing but the test sends there.
  void MakeVeth() {
    if (!testing::HaveProgram("ip")) {
      GTEST_SKIP() << "ip is not installed";
    }
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"},
             {"ip", "link", "set", "v0", "up"},
             {"ip", "link", "set", "v1", "up"}}) {
      if (const Status status = testing::RunOrFail(command); !status.ok()) {
        GTEST_SKIP() << status.error().message;
      }
    }
  }

  std::unique_ptr<LiveSource> Open(const LiveOptions& options) {
    auto source = LiveSource::OpenLive(options, &stats_, &clock_, &stop_);
    EXPECT_TRUE(source.ok()) << source.error().message;
    if (!source.ok()) {
      return nullptr;
    }
    batch_ = std::make_unique<PacketBatch>(source.value()->BatchBytes());
    return source.Take();
  }

  Error OpenError(const LiveOptions& options) {
    const auto source = LiveSource::OpenLive(options, &stats_, &clock_, &stop_);
    EXPECT_FALSE(source.ok());
    return source.ok() ? Error() : source.error();
  }

  const SourceStats& source_stats() const { return stats_.sources.front(); }

  PumpStats stats_;
  SystemClock clock_;
  StopEvent stop_;
  std::unique_ptr<PacketBatch> batch_;
};

TEST_F(LiveSourceTest, PacketsOnLoopbackArriveOnceAndByteForByte) {
  const auto source = Open({.interface = "lo", .filter = "udp port 5000"});
  EXPECT_EQ(source->Read(batch_.get(), 0), ReadStatus::kNothing);
  const testing::RawSender sender;
  std::vector<Bytes> sent;
  const Nanoseconds before = clock_.WallNow();
  for (size_t i = 0; i < 20; ++i) {
    const std::string body(i * 50, 'x');
    sent.push_back(i % 2 == 0 ? LoopbackV4(body) : LoopbackV6(body));
    sender.Send(sent.back());
  }
  std::vector<Bytes> received;
  while (received.size() < sent.size() &&
         source->Read(batch_.get(), kPatience) == ReadStatus::kPackets) {
    for (const Packet& packet : batch_->packets()) {
      received.push_back(
          testing::WithoutIpChecksum({packet.data, packet.data + packet.captured_length}));
      EXPECT_EQ(packet.original_length, packet.captured_length);
      EXPECT_GE(packet.timestamp, before);
      EXPECT_LE(packet.timestamp, clock_.WallNow());
    }
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(source_stats().label, "pcap:lo");
  EXPECT_EQ(source_stats().captured_packets.Value(), sent.size());
}

TEST_F(LiveSourceTest, SnaplenCountsFromTheIpHeader) {
  const auto source = Open({.interface = "lo", .filter = "udp port 5000", .snaplen = 100});
  const Bytes whole = LoopbackV6(std::string(1000, 'x'));
  testing::RawSender().Send(whole);
  ASSERT_EQ(source->Read(batch_.get(), kPatience), ReadStatus::kPackets);
  const Packet& packet = batch_->packets()[0];
  EXPECT_EQ(Bytes(packet.data, packet.data + packet.captured_length),
            Bytes(whole.begin(), whole.begin() + 100));
  EXPECT_EQ(packet.original_length, whole.size());
}

TEST_F(LiveSourceTest, FramesWithoutIpAreDroppedByLinkType) {
  MakeVeth();
  if (IsSkipped()) {
    return;
  }
  const auto source = Open({.interface = "v0", .filter = "ether proto 0x88b5 or udp port 5000"});
  const testing::FrameSender frames("v0");
  frames.Send(kExperimental, Bytes(50));
  frames.Send(kIpv4, LoopbackV4("x"));
  ASSERT_EQ(source->Read(batch_.get(), kPatience), ReadStatus::kPackets);
  EXPECT_EQ(batch_->size(), 1U);
  EXPECT_EQ(stats_.dropped.Value(DropReason::kLinkType), 1U);
  EXPECT_EQ(source_stats().captured_packets.Value(), 2U);
}

TEST_F(LiveSourceTest, PacketsThatDoNotFitTheBufferAreCountedAsLost) {
  MakeVeth();
  if (IsSkipped()) {
    return;
  }
  const auto source =
      Open({.interface = "v0", .filter = "udp port 5000", .receive_buffer_bytes = 64 * 1024});
  const testing::FrameSender frames("v0");
  constexpr uint64_t kSent = 5000;
  for (uint64_t i = 0; i < kSent; ++i) {
    frames.Send(kIpv4, LoopbackV4(std::string(100, 'x')));
  }
  source->StopIntake();
  while (source->Read(batch_.get(), 0) != ReadStatus::kEnd) {
  }
  EXPECT_GT(source_stats().kernel_lost_packets.Value(), 0U);
  EXPECT_EQ(source_stats().captured_packets.Value() + source_stats().kernel_lost_packets.Value(),
            kSent);
}

// What goes out of an interface is captured in its sender's own call; what comes in, when a busy
// kernel gets to it.
TEST_F(LiveSourceTest, StoppingDeliversWhatIsBufferedThenEnds) {
  MakeVeth();
  if (IsSkipped()) {
    return;
  }
  const auto source = Open({.interface = "v0", .filter = "udp port 5000"});
  const testing::FrameSender frames("v0");
  for (int i = 0; i < 10; ++i) {
    frames.Send(kIpv4, LoopbackV4("before"));
  }
  source->StopIntake();
  for (int i = 0; i < 10; ++i) {
    frames.Send(kIpv4, LoopbackV4("after"));
  }
  size_t packets = 0;
  while (source->Read(batch_.get(), 0) == ReadStatus::kPackets) {
    packets += batch_->size();
  }
  EXPECT_EQ(packets, 10U);
  EXPECT_EQ(source->Read(batch_.get(), kDay), ReadStatus::kEnd);
}

TEST_F(LiveSourceTest, ReadWaitsNoLongerThanItsTimeoutOrTheStop) {
  const auto source = Open({.interface = "lo", .filter = "udp port 5000"});
  EXPECT_EQ(source->Read(batch_.get(), kNanosPerMilli), ReadStatus::kNothing);
  stop_.Request(0);
  EXPECT_EQ(source->Read(batch_.get(), kDay), ReadStatus::kNothing);
}

TEST_F(LiveSourceTest, InterfaceThatGoesAwayEndsTheSourceAndIsLogged) {
  MakeVeth();
  if (IsSkipped()) {
    return;
  }
  const auto source = Open({.interface = "v0", .filter = "udp port 5000"});
  ASSERT_TRUE(testing::RunOrFail({"ip", "link", "delete", "v0"}).ok());
  ::testing::internal::CaptureStderr();
  ReadStatus status = ReadStatus::kNothing;
  for (int i = 0; i < 100 && status == ReadStatus::kNothing; ++i) {
    status = source->Read(batch_.get(), kPatience / 100);
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(status, ReadStatus::kEnd);
  EXPECT_NE(log.find("pcap:v0"), std::string::npos) << log;
  EXPECT_EQ(source->Read(batch_.get(), 0), ReadStatus::kEnd);
}

TEST_F(LiveSourceTest, UnknownInterfaceIsRefusedByName) {
  const Error error = OpenError({.interface = "nosuch0"});
  EXPECT_EQ(error.kind, ErrorKind::kRuntime);
  EXPECT_NE(error.message.find("nosuch0"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("no such interface"), std::string::npos) << error.message;
}

TEST_F(LiveSourceTest, MissingCapabilityIsNamed) {
  const WithoutCapability without(CAP_NET_RAW);
  const Error error = OpenError({.interface = "lo"});
  EXPECT_EQ(error.kind, ErrorKind::kRuntime);
  EXPECT_NE(error.message.find("CAP_NET_RAW"), std::string::npos) << error.message;
}

TEST_F(LiveSourceTest, FilterThatDoesNotCompileIsAConfigurationError) {
  const Error error = OpenError({.interface = "lo", .filter = "port eighty-ish"});
  EXPECT_EQ(error.kind, ErrorKind::kConfig);
  EXPECT_NE(error.message.find("eighty-ish"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace pcap_zmq
