// SPDX-License-Identifier: MIT
//
// Hundreds of signals where one was expected.
#include <signal.h>

#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kRate = 10'000;
constexpr int kStorm = 500;

class Signals : public FaultTest {
 protected:
  static void Storm(Process* program, int signal) {
    for (int i = 0; i < kStorm; ++i) {
      program->Signal(signal);
    }
  }
};

TEST_F(Signals, HangupStormsChangeNothing) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  for (int storm = 0; storm < 5; ++storm) {
    Storm(sender_.get(), SIGHUP);
    Storm(receiver_.get(), SIGHUP);
    ASSERT_TRUE(WaitForRead(kRate / 4));
  }
  ExpectClosed("SIGHUP storm");
  EndPipe();
}

// The sender has a backlog that nobody takes when the storm comes, and still sends all of it.
TEST_F(Signals, TerminationStormStillLetsTheSenderDrain) {
  UseLargePackets();
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate, {"--drain-timeout", "20s"}, {"--memory", "32MiB"}));
  reader_->Signal(SIGSTOP);
  ASSERT_TRUE(WaitUntil([] { return GatewayMetric("buffered_packets") > 2000; }));
  generator_->Stop();
  RevealKernelLosses(generator_.get());
  const uint64_t generated = generator_->sent();
  const uint64_t logged = Logged(*generator_);
  // More than the sender has captured may still wait in the kernel.
  Storm(sender_.get(), SIGTERM);
  ExpectReadiness({"stopping"}, GatewayReadiness);
  Storm(sender_.get(), SIGTERM);
  reader_->Signal(SIGCONT);
  EXPECT_EQ(sender_->WaitForExit(), 0) << sender_->Stderr();
  ReceiverLedger receiver;
  const auto reported = [&](const std::string& name) {
    return static_cast<uint64_t>(IdsMetric("sender_" + name));
  };
  uint64_t lost = 0;
  EXPECT_TRUE(WaitUntil([&] {
    receiver = ReadIds();
    lost = reported("kernel_lost_packets_total");
    return receiver.Settled(reported("sent_packets_total")) &&
           reported("captured_packets_total") + lost == logged;
  })) << receiver.Text()
      << "; " << logged << " logged, " << lost << " lost";
  EXPECT_EQ(reported("dropped_packets_total"), 0u) << sender_->Stderr();
  EXPECT_EQ(receiver.lost, 0u);
  EXPECT_TRUE(WaitUntil([&] { return reader_->distinct() == receiver.sink_delivered; }));
  EXPECT_EQ(reader_->distinct(), logged - lost);
  Books books;
  books.generated = generated;
  books.logged = logged;
  books.sender.kernel_lost = lost;
  books.read = reader_->distinct();
  Report("SIGTERM storm, sender with a backlog", books);
  Terminate(receiver_.get());
}

TEST_F(Signals, TerminationStormStillLetsTheReceiverDrain) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate, {}, {"--drain-timeout", "20s"}));
  reader_->Signal(SIGSTOP);
  const double blocked = IdsMetric("sink_blocked_seconds_total");
  ASSERT_TRUE(WaitUntil([&] { return IdsMetric("sink_blocked_seconds_total") > blocked; }));
  generator_->Stop();
  Terminate(sender_.get());
  Storm(receiver_.get(), SIGTERM);
  ExpectReadiness({"stopping"}, [this] { return IdsReadiness(); });
  Storm(receiver_.get(), SIGTERM);
  const ReceiverLedger before = ReadIds();
  EXPECT_GT(before.received, before.sink_delivered) << "nothing was left to drain";
  reader_->Signal(SIGCONT);
  EXPECT_EQ(receiver_->WaitForExit(), 0) << receiver_->Stderr();
  EXPECT_NE(receiver_->Stderr().find(", dropped 0"), std::string::npos) << receiver_->Stderr();
  EXPECT_TRUE(WaitUntil([&] { return reader_->findings().captures == 1; }));
  ExpectReaderIsWhole(0);
  const std::string delivered = "delivered " + std::to_string(reader_->distinct()) + ",";
  EXPECT_NE(receiver_->Stderr().find(delivered), std::string::npos)
      << delivered << " " << receiver_->Stderr();
  std::printf("fault: %-46s %llu packets waited, all were read\n",
              "SIGTERM storm, receiver with a backlog",
              static_cast<unsigned long long>(before.received - before.sink_delivered));
}

}  // namespace
}  // namespace pcap_zmq::testing
