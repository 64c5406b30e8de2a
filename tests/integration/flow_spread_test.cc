// SPDX-License-Identifier: MIT
//
// Twenty thousand flows over receivers that come, go and die: each flow at one of them, few moved,
// and every packet accounted for.
#include <atomic>
#include <cstdio>
#include <numeric>
#include <thread>

#include "tests/integration/flow_spread_fixture.h"

namespace pcap_zmq::testing {
namespace {

// However long a machine under load lets one that leaves take for what is for it.
const Arguments kPatientWithLeavers = {"--drain-timeout", "10m"};

std::vector<size_t> FirstReceivers(size_t count) {
  std::vector<size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), size_t{0});
  return numbers;
}

TEST_F(FlowSpreadTest, EachReceiverThatComesOrGoesMovesItsShareOfTheFlowsAndNoOther) {
  constexpr size_t kMost = 8;
  ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(0));
  ASSERT_NO_FATAL_FAILURE(SetName({0}));
  ASSERT_NO_FATAL_FAILURE(StartSenderToName(kPatientWithLeavers));
  ASSERT_TRUE(WaitForEndpoints(1, 1));
  Owners owners = OwnersOfAllFlows();
  ASSERT_NO_FATAL_FAILURE(ExpectEven(owners, {0}));

  for (size_t count = 2; count <= kMost; ++count) {
    SCOPED_TRACE(std::to_string(count) + " receivers, one of them new");
    ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(count - 1));
    ASSERT_NO_FATAL_FAILURE(SetName(FirstReceivers(count)));
    ASSERT_TRUE(WaitForEndpoints(count, count));
    const Owners now = OwnersOfAllFlows();
    ASSERT_FALSE(HasFailure());
    ExpectEven(now, FirstReceivers(count));
    const double moved = Moved(owners, now, {static_cast<int>(count - 1)});
    std::printf("%zu receivers: %.2f %% of the flows moved\n", count, 100 * moved);
    EXPECT_LE(moved, 1.0 / static_cast<double>(count) + 0.02);
    EXPECT_GT(moved, 0);
    ExpectTheLedgerCloses();
    owners = now;
  }

  for (size_t count = kMost - 1; count >= 1; --count) {
    SCOPED_TRACE(std::to_string(count) + " receivers, one of them gone");
    ASSERT_NO_FATAL_FAILURE(SetName(FirstReceivers(count)));
    ASSERT_TRUE(WaitForEndpoints(count, count));
    StopReceiverNumber(count, SIGTERM);
    const Owners now = OwnersOfAllFlows();
    ASSERT_FALSE(HasFailure());
    ExpectEven(now, FirstReceivers(count));
    const double moved = Moved(owners, now, {static_cast<int>(count)});
    std::printf("%zu receivers: %.2f %% of the flows moved\n", count, 100 * moved);
    EXPECT_LE(moved, 1.0 / static_cast<double>(count + 1) + 0.02);
    EXPECT_EQ(ExpectTheLedgerCloses().dropped, 0U) << "who leaves takes first what is for it";
    owners = now;
  }
  Terminate(sender_.get());
}

TEST_F(FlowSpreadTest, OneThatIsKilledLosesItsOwnFlowsToTheOthersAndHasThemBackWhenItReturns) {
  constexpr size_t kReceivers = 4;
  constexpr size_t kVictim = 2;
  for (size_t number = 0; number < kReceivers; ++number) {
    ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(number));
  }
  ASSERT_NO_FATAL_FAILURE(SetName(FirstReceivers(kReceivers)));
  ASSERT_NO_FATAL_FAILURE(StartSenderToName({"--failover"}));
  ASSERT_TRUE(WaitForEndpoints(kReceivers, kReceivers));
  const Owners before = OwnersOfAllFlows();
  ASSERT_FALSE(HasFailure());
  ExpectEven(before, FirstReceivers(kReceivers));
  ExpectTheLedgerCloses();

  StopReceiverNumber(kVictim, SIGKILL);
  ASSERT_TRUE(WaitForEndpoints(kReceivers, kReceivers - 1));
  EXPECT_EQ(EndpointMetric(kVictim, "connected"), 0);
  const auto ready = HttpGet(kSenderMetricsPort, "/readyz");
  ASSERT_TRUE(ready.ok()) << ready.error().message;
  EXPECT_EQ(ready.value().status, 200) << "three of four receivers are enough";
  const Owners without = OwnersOfAllFlows();
  ASSERT_FALSE(HasFailure());
  ExpectEven(without, {0, 1, 3});
  const double moved = Moved(before, without, {kVictim});
  std::printf("without one of four: %.2f %% of the flows moved\n", 100 * moved);
  EXPECT_LE(moved, 1.0 / kReceivers + 0.02);
  EXPECT_EQ(ExpectTheLedgerCloses().dropped, 0U);

  ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(kVictim));
  ASSERT_TRUE(WaitForEndpoints(kReceivers, kReceivers));
  EXPECT_EQ(OwnersOfAllFlows(), before);
  ExpectTheLedgerCloses();
  Terminate(sender_.get());
}

TEST_F(FlowSpreadTest, WithoutFailoverTheFlowsOfOneThatIsAwayWaitForIt) {
  for (size_t number = 0; number < 2; ++number) {
    ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(number));
  }
  ASSERT_NO_FATAL_FAILURE(SetName({0, 1}));
  ASSERT_NO_FATAL_FAILURE(StartSenderToName());
  ASSERT_TRUE(WaitForEndpoints(2, 2));
  StopReceiverNumber(1, SIGKILL);
  ASSERT_TRUE(WaitForEndpoints(2, 1));
  ASSERT_TRUE(flows_->Send(0, 1000).ok());
  generated_ += 2000;
  ASSERT_TRUE(WaitUntil([&] {
    return ReadSender().captured == generated_ &&
           EndpointMetric(0, "sent_packets_total") + EndpointMetric(1, "buffered_packets") ==
               static_cast<double>(generated_);
  })) << ReadSender().Text();
  EXPECT_GT(EndpointMetric(1, "buffered_packets"), 800);
  EXPECT_EQ(EndpointMetric(1, "sent_packets_total"), 0);

  ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(1));
  EXPECT_TRUE(WaitUntil([&] { return Delivered() == generated_; }));
  EXPECT_EQ(ExpectTheLedgerCloses().dropped, 0U);
  Terminate(sender_.get());
}

TEST_F(FlowSpreadTest, WhatOneThatIsGoneHadNotTakenIsDroppedAsEndpointGone) {
  ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(0));
  receivers_.resize(2);  // the second one never comes
  receivers_[1].endpoint = "tcp://" + Address(1) + ":" + std::to_string(kDataPort);
  ASSERT_NO_FATAL_FAILURE(SetName({0, 1}));
  ASSERT_NO_FATAL_FAILURE(StartSenderToName({"--drain-timeout", "1s"}));
  ASSERT_TRUE(WaitForEndpoints(2, 1));
  ASSERT_TRUE(flows_->Send(0, 1000).ok());
  generated_ += 2000;
  ASSERT_TRUE(WaitUntil([&] {
    return EndpointMetric(0, "sent_packets_total") + EndpointMetric(1, "buffered_packets") ==
           static_cast<double>(generated_);
  })) << ReadSender().Text();
  const double waiting = EndpointMetric(1, "buffered_packets");
  EXPECT_GT(waiting, 0);

  ASSERT_NO_FATAL_FAILURE(SetName({0}));
  ASSERT_TRUE(WaitForEndpoints(1, 1));
  const auto gone = [] {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_dropped_packets_total",
                  {{"reason", "endpoint_gone"}});
  };
  EXPECT_EQ(gone(), waiting);
  const SenderLedger ledger = ExpectTheLedgerCloses();
  EXPECT_EQ(ledger.dropped, static_cast<uint64_t>(waiting));
  EXPECT_EQ(ledger.buffered, 0U);

  // The receivers learn of it from the next report.
  EXPECT_TRUE(WaitUntil([&] {
    return Metric(receivers_[0].metrics_port, "pcap_zmq_receiver_sender_dropped_packets_total",
                  {{"reason", "endpoint_gone"}}) == waiting;
  }));
  Terminate(sender_.get());
}

TEST_F(FlowSpreadTest, ANameThatIsNotKnownYetIsWaitedFor) {
  ASSERT_NO_FATAL_FAILURE(StartSenderToName());
  ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(0));
  ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(1));
  ASSERT_NO_FATAL_FAILURE(SetName({0, 1}));
  ASSERT_TRUE(WaitForEndpoints(2, 2));
  ExpectEven(OwnersOfAllFlows(), {0, 1});
  EXPECT_EQ(ExpectTheLedgerCloses().dropped, 0U);
  // The name is lost again, as when all pods are replaced: those that are known stay.
  ASSERT_NO_FATAL_FAILURE(SetName({}));
  EXPECT_TRUE(sender_->WaitForStderr("the receivers known so far stay"));
  ASSERT_TRUE(WaitForEndpoints(2, 2));
  Terminate(sender_.get());
}

// Under load, the counts never fall and add up to the packet in the end.
TEST_F(FlowSpreadTest, TheLedgerClosesWhileReceiversComeAndGoUnderLoad) {
  for (size_t number = 0; number < 3; ++number) {
    ASSERT_NO_FATAL_FAILURE(StartReceiverNumber(number));
  }
  ASSERT_NO_FATAL_FAILURE(SetName({0}));
  Arguments options = kPatientWithLeavers;
  options.push_back("--failover");
  ASSERT_NO_FATAL_FAILURE(StartSenderToName(options));
  ASSERT_TRUE(WaitForEndpoints(1, 1));
  std::atomic<bool> done{false};
  std::atomic<uint64_t> generated{0};
  std::thread load([&] {
    for (uint32_t first = 0; !done; first = (first + 20) % kFlows) {
      EXPECT_TRUE(flows_->Send(first, 20).ok());
      generated += 40;
      // A pace that every build of the sender holds.
      WaitUntil([&] { return done || ReadSender().captured + 2000 > generated; });
    }
  });
  double sent_before = 0;
  const auto reached = [&](size_t count) {
    return WaitUntil([&] {
      const auto metrics = MetricsSnapshot::Fetch(kSenderMetricsPort);
      if (!metrics.ok()) {
        return false;
      }
      const double sent = metrics.value().Sum("pcap_zmq_sender_sent_packets_total");
      EXPECT_GE(sent, sent_before);
      sent_before = sent;
      const std::string name = "pcap_zmq_sender_endpoint_connected";
      return metrics.value().LabelValues(name, "endpoint").size() == count &&
             metrics.value().Sum(name) == static_cast<double>(count);
    });
  };
  for (int round = 0; round < 4; ++round) {
    for (const std::vector<size_t>& numbers :
         {std::vector<size_t>{0, 1}, std::vector<size_t>{1, 2}, std::vector<size_t>{0, 1, 2},
          std::vector<size_t>{2}, std::vector<size_t>{0}}) {
      ASSERT_NO_FATAL_FAILURE(SetName(numbers));
      EXPECT_TRUE(reached(numbers.size())) << "round " << round;
    }
  }
  done = true;
  load.join();
  generated_ = generated;
  const SenderLedger ledger = ExpectTheLedgerCloses();
  EXPECT_EQ(ledger.dropped, 0U) << "all of them were there to take what was for them";
  for (size_t number = 0; number < 3; ++number) {
    EXPECT_GT(ReceivedBy(receivers_[number]), 0U);
  }
  std::printf("%llu packets, 20 changes: %s\n", static_cast<unsigned long long>(generated_),
              ledger.Text().c_str());
  Terminate(sender_.get());
}

TEST_F(FlowSpreadTest, OutputsThatShareTheFlowsOfOneReceiverKeepThemTogetherAndSumUp) {
  constexpr size_t kOutputs = 4;
  Arguments argv = {
      PCAP_ZMQ_RECV_PROGRAM, "--metrics", "127.0.0.1:" + std::to_string(kReceiverMetricsPort),
      "--output-mode",       "spread",    TcpEndpoint()};
  std::vector<std::string> fifos;
  std::vector<std::unique_ptr<FifoReader>> readers;
  for (size_t i = 0; i < kOutputs; ++i) {
    fifos.push_back(dir_.File("ids-" + std::to_string(i) + ".pcap"));
    readers.push_back(std::make_unique<FifoReader>(fifos.back()));
    argv.push_back(fifos.back());
  }
  auto receiver = Process::Start(argv);
  ASSERT_TRUE(receiver.ok()) << receiver.error().message;
  receiver_ = receiver.Take();
  ASSERT_TRUE(receiver_->WaitForStderr("spreading flows over "));
  sender_ = StartSender({}, "0");
  ASSERT_NE(sender_, nullptr);
  constexpr uint32_t kRounds = 2;
  for (uint32_t first = 0; first < kRounds * kFlows; first += 2000) {
    ASSERT_TRUE(flows_->Send(first % kFlows, 2000).ok());
    generated_ += 4000;
    ASSERT_TRUE(WaitUntil([&] { return ReadSender().captured == generated_; }))
        << ReadSender().Text();
  }
  EXPECT_TRUE(WaitUntil([&] {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_packets_total") ==
           static_cast<double>(generated_);
  }));
  EXPECT_EQ(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_packets_total"),
            static_cast<double>(generated_));
  EXPECT_EQ(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_output_mode", {{"mode", "spread"}}), 1);
  Terminate(sender_.get());
  Terminate(receiver_.get());
  EXPECT_NE(receiver_->Stderr().find("flows spread over 4 outputs"), std::string::npos);

  Owners owners(kFlows, kNobody);
  std::vector<std::pair<uint32_t, uint32_t>> seen(kFlows);
  for (size_t output = 0; output < kOutputs; ++output) {
    ASSERT_TRUE(readers[output]->WaitForEnd());
    const Capture capture = ParseCapture(readers[output]->captures().at(0));
    EXPECT_EQ(capture.error, "");
    EXPECT_EQ(capture.trailing_bytes, 0U);
    for (const CapturedPacket& packet : capture.packets) {
      const TcpFlowMark mark = RecogniseTcpFlow(packet.data);
      ASSERT_LT(mark.flow, kFlows);
      EXPECT_TRUE(owners[mark.flow] == kNobody || owners[mark.flow] == static_cast<int>(output));
      owners[mark.flow] = static_cast<int>(output);
      ++(mark.reply ? seen[mark.flow].second : seen[mark.flow].first);
    }
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), std::pair(kRounds, kRounds)), kFlows);
  ExpectEven(owners, FirstReceivers(kOutputs));
}

}  // namespace
}  // namespace pcap_zmq::testing
