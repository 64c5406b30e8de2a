// SPDX-License-Identifier: MIT
//
// How sources other than NFLOG go through the programs, and how they end.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/pipe_fixture.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

class Sources : public PipeTest {};

// A nanosecond capture of raw IPv4 packets, as the pipe itself writes them.
std::string CaptureOf(size_t packets, size_t body_bytes) {
  std::string capture("\x4d\x3c\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\x00\x65\0\0\0", 24);
  Bytes records;
  for (size_t i = 0; i < packets; ++i) {
    std::string body = std::to_string(i) + " ";
    body.resize(body_bytes, static_cast<char>('a' + i % 26));
    AppendRecord(&records, Ipv4Packet(body),
                 1'700'000'000 * kNanosPerSecond + static_cast<Nanoseconds>(i));
  }
  return capture.append(records.begin(), records.end());
}

TEST_F(Sources, ReplayWaitsWhereLiveTrafficWouldBeDroppedAndDeliversEverything) {
  constexpr size_t kPackets = 20'000;
  const std::string capture = CaptureOf(kPackets, 1400);
  const std::string path = dir_.Write("large.pcap", capture);
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  // Both the wire's budget and ZeroMQ's buffer are far smaller than the file.
  auto sender = Process::Start({PCAP_ZMQ_SEND_PROGRAM, "--metrics", "off", "--replay-speed", "max",
                                "--lwm", "0", "--hwm", "15MiB/s", "--zmq-buffer", "40",
                                "file:" + path, TcpEndpoint()});
  ASSERT_TRUE(sender.ok()) << sender.error().message;
  EXPECT_EQ(sender.value()->WaitForExit(), 0) << sender.value()->Stderr();
  EXPECT_NE(sender.value()->Stderr().find("sent 20000, dropped 0"), std::string::npos)
      << sender.value()->Stderr();
  EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered == kPackets; }));
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  const auto& out = reader.captures().at(0);
  EXPECT_TRUE(std::equal(out.begin(), out.end(), capture.begin(), capture.end(),
                         [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }));
}

TEST_F(Sources, ReplayThatNobodyReceivesFailsAndCountsWhatIsLeft) {
  const std::string path = dir_.Write("small.pcap", CaptureOf(10, 100));
  auto sender = Process::Start({PCAP_ZMQ_SEND_PROGRAM, "--metrics", "off", "--drain-timeout",
                                "200ms", "--replay-speed", "max", "file:" + path, TcpEndpoint()});
  ASSERT_TRUE(sender.ok()) << sender.error().message;
  EXPECT_EQ(sender.value()->WaitForExit(), 1);
  EXPECT_NE(sender.value()->Stderr().find("dropped 10 (shutdown 10)"), std::string::npos)
      << sender.value()->Stderr();
}

TEST_F(Sources, InterfaceThatGoesAwayEndsTheSenderWithAFailure) {
  if (!HaveProgram("ip")) {
    GTEST_SKIP() << "ip is not installed";
  }
  ASSERT_TRUE(RunOrFail({"ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"}).ok());
  ASSERT_TRUE(RunOrFail({"ip", "link", "set", "v0", "up"}).ok());
  sender_ = StartSender({}, "pcap:v0");
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(RunOrFail({"ip", "link", "del", "v0"}).ok());
  EXPECT_EQ(sender_->WaitForExit(), 1);
  EXPECT_NE(sender_->Stderr().find("pcap:v0"), std::string::npos) << sender_->Stderr();
}

TEST_F(Sources, SenderWithNothingToDeliverDoesNotWaitForAReceiver) {
  // Much longer than the test's patience: waiting for it would fail.
  sender_ = StartSender({"--drain-timeout", "10m"});
  ASSERT_NE(sender_, nullptr);
  Terminate(sender_.get());
}

}  // namespace
}  // namespace pcap_zmq::testing
