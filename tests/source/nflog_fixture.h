// SPDX-License-Identifier: MIT
//
// What the tests of NFLOG on the real kernel share: a private network namespace for each.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "source/nflog_source.h"
#include "tests/source/raw_sender.h"
#include "tests/support/net_namespace.h"
#include "tests/support/netfilter.h"
#include "tests/support/packet_builder.h"
#include "tests/support/process.h"

namespace pcap_zmq::testing {

inline constexpr Nanoseconds kPatience = 30 * kNanosPerSecond;
inline constexpr Nanoseconds kDay = 86400 * kNanosPerSecond;
inline constexpr Nanoseconds kNeverFlush = 600 * kNanosPerSecond;

/// A packet as a source handed it on, with its bytes as they were sent.
struct Delivered {
  Nanoseconds timestamp = 0;
  Bytes bytes;
  uint32_t original_length = 0;
};

/// A source on the real kernel, and the rules and packets for it.
class NflogSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status entered = EnterPrivateNetwork(); !entered.ok()) {
      GTEST_SKIP() << entered.error().message;
    }
    if (!HaveProgram("nft")) {
      GTEST_SKIP() << "nft is not installed";
    }
    sender_ = std::make_unique<RawSender>();
  }

  // Rules for packets to kTestPort at `hook`.
  static void Log(const std::string& hook, const std::string& statements) {
    const Status loaded =
        LoadRules("table inet " + hook + "_test {\n chain c {\n type filter hook " + hook +
                  " priority 0\n udp dport 5000 " + statements + "\n }\n}\n");
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  }

  std::unique_ptr<NflogSource> Open(const NflogOptions& options) {
    auto source = NflogSource::Open(options, &stats_, clock_, &stop_);
    EXPECT_TRUE(source.ok()) << source.error().message;
    if (!source.ok()) {
      return nullptr;
    }
    batch_ = std::make_unique<PacketBatch>(source.value()->BatchBytes());
    return source.Take();
  }

  Error OpenError(const NflogOptions& options) {
    const auto source = NflogSource::Open(options, &stats_, clock_, &stop_);
    EXPECT_FALSE(source.ok());
    return source.ok() ? Error() : source.error();
  }

  // Reads until `count` packets have come.
  std::vector<Delivered> ReadPackets(NflogSource* source, size_t count) {
    std::vector<Delivered> packets;
    while (packets.size() < count && source->Read(batch_.get(), kPatience) == kPackets) {
      Append(&packets);
    }
    EXPECT_EQ(packets.size(), count);
    return packets;
  }

  // Reads what is there already.
  std::vector<Delivered> ReadAll(NflogSource* source) {
    std::vector<Delivered> packets;
    while (source->Read(batch_.get(), 0) == kPackets) {
      Append(&packets);
    }
    return packets;
  }

  void Append(std::vector<Delivered>* packets) const {
    for (const Packet& packet : batch_->packets()) {
      packets->push_back({packet.timestamp,
                          WithoutIpChecksum({packet.data, packet.data + packet.captured_length}),
                          packet.original_length});
    }
  }

  void Send(int count, const Bytes& packet = LoopbackV4("x")) const {
    for (int i = 0; i < count; ++i) {
      sender_->Send(packet);
    }
  }

  const SourceStats& group(size_t i) const { return stats_.sources[i]; }

  static constexpr ReadStatus kPackets = ReadStatus::kPackets;
  static constexpr ReadStatus kNothing = ReadStatus::kNothing;
  static constexpr ReadStatus kEnd = ReadStatus::kEnd;

  PumpStats stats_;
  SystemClock system_clock_;
  const Clock* clock_ = &system_clock_;
  StopEvent stop_;
  std::unique_ptr<PacketBatch> batch_;
  std::unique_ptr<RawSender> sender_;
};

}  // namespace pcap_zmq::testing
