// SPDX-License-Identifier: MIT
//
// Every packet that the kernel logged is in exactly one place, whatever fails.
#include <gtest/gtest.h>
#include <signal.h>

#include <regex>
#include <string>

#include "tests/integration/pipe_fixture.h"
#include "tests/support/wire_tap.h"

namespace pcap_zmq::testing {
namespace {

class Conservation : public PipeTest {
 protected:
  void SetUp() override {
    PipeTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
    ASSERT_NO_FATAL_FAILURE(OpenGenerator(200));
  }

  void OpenGenerator(size_t packet_bytes) {
    generator_.reset();
    options_.packet_bytes = packet_bytes;
    auto generator = TrafficGenerator::Open(options_);
    ASSERT_TRUE(generator.ok()) << generator.error().message;
    generator_ = generator.Take();
  }

  // Packets that were generated and are counted as not delivered by the sender's side.
  static uint64_t CountedAtTheSender(const Outcome& outcome, const TrafficGenerator& generator) {
    return generator.sent() - outcome.logged + outcome.sender.kernel_lost + outcome.sender.dropped;
  }

  void ExpectAllOnceInOrder(const MarkChecker& checker) {
    EXPECT_EQ(checker.foreign(), 0u);
    EXPECT_EQ(checker.duplicates(), 0u);
    EXPECT_EQ(checker.out_of_order(), 0u);
  }

  TrafficOptions options_;
  std::unique_ptr<TrafficGenerator> generator_;
};

TEST_F(Conservation, WithoutAReceiverForFiveSecondsAndThenWithOne) {
  // Small, since five seconds of calm traffic fit the default buffer.
  sender_ = StartSender({"--zmq-buffer", "20"});
  ASSERT_NE(sender_, nullptr);
  generator_->Send(15'000, 3000);
  EXPECT_TRUE(WaitUntil([] {
    return ReadSender().buffered > 0 &&
           Metric(kSenderMetricsPort, "pcap_zmq_sender_dropped_packets_total",
                  {{"reason", "zmq_hwm"}}) > 0 &&
           Metric(kSenderMetricsPort, "pcap_zmq_sender_zmq_hwm_hits_total") > 0;
  })) << ReadSender().Text();

  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  ASSERT_TRUE(WaitUntil([&] { return ReadSender().buffered == 0; }));
  generator_->Send(3000, 3000);

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_EQ(outcome.receiver.unseen, 0u);
  EXPECT_EQ(outcome.receiver.lost, 0u);
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options_);
  AddCapture(reader.captures().at(0), false, &checker);
  ExpectAllOnceInOrder(checker);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()), CountedAtTheSender(outcome, *generator_));
}

TEST_F(Conservation, AStopWithoutTimeCountsWhatTheKernelStillHad) {
  sender_ = StartSender({"--drain-timeout", "11ms"});
  ASSERT_NE(sender_, nullptr);
  generator_->Send(100, 1000);
  ASSERT_TRUE(WaitUntil([] { return ReadSender().captured >= 100; }));
  // More than it can read and send in that time, and no more than the kernel keeps for it.
  sender_->Signal(SIGSTOP);
  generator_->Send(20'000, 100'000);
  const uint64_t logged = Logged(*generator_);
  sender_->Signal(SIGTERM);
  sender_->Signal(SIGCONT);
  ASSERT_TRUE(sender_->WaitForStderr("captured "));
  const std::string log = sender_->Stderr();
  std::smatch counts;
  ASSERT_TRUE(std::regex_search(
      log, counts,
      std::regex("captured ([0-9]+) packets, sent ([0-9]+), dropped ([0-9]+).*, lost in the "
                 "kernel ([0-9]+)")))
      << log;
  EXPECT_EQ(std::stoull(counts[1]) + std::stoull(counts[4]), logged) << log;
  EXPECT_EQ(std::stoull(counts[1]), std::stoull(counts[2]) + std::stoull(counts[3])) << log;
}

TEST_F(Conservation, WhenTheReceiverIsKilledAndAnotherTakesItsPlace) {
  FifoReader reader(fifo_, true);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender();
  ASSERT_NE(sender_, nullptr);
  generator_->StartSending(5000);
  ASSERT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered > 5000; }));
  receiver_->Kill();
  const uint64_t at_kill = generator_->sent();
  ASSERT_TRUE(WaitUntil([&] { return generator_->sent() > at_kill + 3000; }));
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  ASSERT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered > 5000; }));
  generator_->Stop();

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  Terminate(receiver_.get());
  ASSERT_TRUE(WaitUntil([&] { return reader.readers() == 3; }));
  reader.Stop();
  MarkChecker first(options_);
  AddCapture(reader.captures()[0], true, &first);
  MarkChecker both = first;
  AddCapture(reader.captures()[1], false, &both);
  ExpectAllOnceInOrder(both);
  EXPECT_EQ(both.distinct() - first.distinct(), outcome.receiver.received);
  // The second receiver knows how much was sent before it came; what of that the first one did not
  // deliver went down with it.
  EXPECT_GT(first.distinct(), 0u);
  ASSERT_GE(outcome.receiver.unseen, first.distinct());
  const uint64_t died_with_the_first = outcome.receiver.unseen - first.distinct();
  EXPECT_EQ(
      both.Missing(generator_->sent_by_flow()),
      CountedAtTheSender(outcome, *generator_) + died_with_the_first + outcome.receiver.gone());
}

TEST_F(Conservation, WhenTheFifosReaderIsKilledAndRestartedFiveTimes) {
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender();
  ASSERT_NE(sender_, nullptr);
  generator_->StartSending(20'000);
  std::vector<std::string> files;
  std::unique_ptr<ReaderProcess> reader;
  for (int run = 0; run <= 5; ++run) {
    files.push_back(dir_.File("run" + std::to_string(run)));
    auto started = ReaderProcess::Start(fifo_, files.back());
    ASSERT_TRUE(started.ok()) << started.error().message;
    reader = started.Take();
    ASSERT_TRUE(WaitUntil([&] { return reader->bytes_read() > 500'000; })) << "reader " << run;
    if (run < 5) {
      reader->Kill();
      // A writer cannot tell a reader that comes within microseconds from its predecessor.
      ASSERT_TRUE(WaitUntil([&] {
        return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_reader_attached") == 0;
      }));
    }
  }
  generator_->Stop();

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_EQ(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_reopens_total"), 5);
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader->WaitForEnd());
  MarkChecker checker(options_);
  for (const std::string& file : files) {
    AddCapture(ReadFileBytes(file), file != files.back(), &checker);
  }
  ExpectAllOnceInOrder(checker);
  EXPECT_EQ(outcome.receiver.sink_dropped, 0u);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()),
            CountedAtTheSender(outcome, *generator_) + outcome.receiver.gone());
}

TEST_F(Conservation, WhenTheReaderStopsReadingUntilTheSenderDropsPackets) {
  ASSERT_NO_FATAL_FAILURE(OpenGenerator(1400));
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({"--memory", "32MiB"}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender({"--zmq-buffer", "50"});
  ASSERT_NE(sender_, nullptr);
  reader.Pause();
  generator_->StartSending(10'000);
  ASSERT_TRUE(WaitUntil([&] {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_dropped_packets_total",
                  {{"reason", "zmq_hwm"}}) > 5000;
  }));
  reader.Resume();
  const uint64_t at_resume = ReadReceiver(fifo_).sink_delivered;
  ASSERT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered > at_resume + 10'000; }));
  generator_->Stop();

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_GT(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_blocked_seconds_total"), 0);
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options_);
  AddCapture(reader.captures().at(0), false, &checker);
  ExpectAllOnceInOrder(checker);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()),
            CountedAtTheSender(outcome, *generator_) + outcome.receiver.gone());
}

TEST_F(Conservation, WhenTheNetworkBreaksAndComesBack) {
  auto tap = WireTap::Start(kDataPort + 1, kDataPort);
  ASSERT_TRUE(tap.ok()) << tap.error().message;
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender({}, "0,1", {TcpEndpoint(kDataPort + 1)});
  ASSERT_NE(sender_, nullptr);
  generator_->StartSending(5000);
  for (int cut = 0; cut < 3; ++cut) {
    const uint64_t before = ReadReceiver(fifo_).sink_delivered;
    ASSERT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered > before + 2000; }));
    tap.value()->Cut();
    const uint64_t at_cut = generator_->sent();
    ASSERT_TRUE(WaitUntil([&] { return generator_->sent() > at_cut + 1000; }));
    tap.value()->Restore();
  }
  const uint64_t before = ReadReceiver(fifo_).sink_delivered;
  ASSERT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered > before + 2000; }));
  generator_->Stop();

  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_EQ(outcome.receiver.unseen, 0u);
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options_);
  AddCapture(reader.captures().at(0), false, &checker);
  EXPECT_EQ(checker.foreign(), 0u);
  EXPECT_EQ(checker.duplicates(), 0u);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()),
            CountedAtTheSender(outcome, *generator_) + outcome.receiver.gone());
}

TEST_F(Conservation, WhenTheSenderIsTerminatedUnderLoad) {
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender({"--name", "gw1"});
  ASSERT_NE(sender_, nullptr);
  generator_->Send(10'000, 20'000);
  const std::vector<uint64_t> sent_long_before = generator_->sent_by_flow();
  generator_->StartSending(20'000);
  ASSERT_TRUE(WaitUntil([&] { return generator_->sent() > 20'000; }));
  Terminate(sender_.get());
  generator_->Stop();

  // The sender's last words give its final totals, which its log has too.
  const auto total = [](const std::string& name) {
    return static_cast<uint64_t>(
        Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sender_" + name, {{"sender", "gw1"}}));
  };
  ReceiverLedger receiver;
  uint64_t captured = 0;
  uint64_t sent = 0;
  uint64_t dropped = 0;
  uint64_t kernel_lost = 0;
  EXPECT_TRUE(WaitUntil([&] {
    captured = total("captured_packets_total");
    sent = total("sent_packets_total");
    dropped = total("dropped_packets_total");
    kernel_lost = total("kernel_lost_packets_total");
    receiver = ReadReceiver(fifo_);
    return sender_->Stderr().find("captured " + std::to_string(captured) + " packets, sent " +
                                  std::to_string(sent) + ", ") != std::string::npos &&
           receiver.Settled(sent);
  })) << captured
      << " captured, " << sent << " sent, " << dropped << " dropped; " << receiver.Text();
  EXPECT_EQ(sent, captured - dropped);
  EXPECT_LE(captured + kernel_lost, Logged(*generator_));

  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options_);
  AddCapture(reader.captures().at(0), false, &checker);
  ExpectAllOnceInOrder(checker);
  EXPECT_EQ(checker.distinct(), receiver.sink_delivered);
  EXPECT_EQ(checker.Missing(sent_long_before), dropped + kernel_lost + receiver.gone())
      << "packets that were captured before the signal must be drained";
}

}  // namespace
}  // namespace pcap_zmq::testing
