// SPDX-License-Identifier: MIT
//
// A sender whose receivers are what a name stands for, which the test changes while it runs.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/pipe_fixture.h"
#include "tests/support/private_hosts.h"
#include "tests/support/tcp_flows.h"

namespace pcap_zmq::testing {

class FlowSpreadTest : public PipeTest {
 protected:
  static constexpr uint32_t kFlows = 20'000;
  static constexpr char kName[] = "receivers.test";
  static constexpr uint16_t kFirstReceiverPort = 9500;
  static constexpr int kNobody = -1;

  // A receiver at 127.0.0.(number + 1), and what has been read of its capture.
  struct Receiver {
    std::unique_ptr<Process> process;
    std::string endpoint;
    std::string output;
    uint16_t metrics_port = 0;
    int runs = 0;
    size_t packets_read = 0;
    uint64_t received_by_earlier_runs = 0;

    bool running() const { return process != nullptr; }
  };
  using Owners = std::vector<int>;

  void SetUp() override {
    PipeTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    auto hosts = PrivateHosts::Create(dir_.File("hosts"));
    if (!hosts.ok()) {
      GTEST_SKIP() << hosts.error().message;
    }
    hosts_ = hosts.Take();
    const Status rules = LogTcpFlows(0);
    ASSERT_TRUE(rules.ok()) << rules.error().message;
    auto flows = TcpFlowSender::Open();
    ASSERT_TRUE(flows.ok()) << flows.error().message;
    flows_.emplace(flows.Take());
  }

  void TearDown() override {
    PipeTest::TearDown();
    for (const Receiver& receiver : receivers_) {
      if (HasFailure() && receiver.running()) {
        std::fprintf(stderr, "--- stderr of the receiver at %s:\n%s", receiver.endpoint.c_str(),
                     receiver.process->Stderr().c_str());
      }
    }
  }

  static std::string Address(size_t number) { return "127.0.0." + std::to_string(number + 1); }

  /// Starts receiver `number`, perhaps again; its outputs are new files.
  void StartReceiverNumber(size_t number) {
    receivers_.resize(std::max(receivers_.size(), number + 1));
    Receiver& receiver = receivers_[number];
    receiver.endpoint = "tcp://" + Address(number) + ":" + std::to_string(kDataPort);
    receiver.output = "file:" + dir_.File("ids" + std::to_string(number) + "-" +
                                          std::to_string(receiver.runs++) + ".pcap");
    receiver.metrics_port = static_cast<uint16_t>(kFirstReceiverPort + number);
    receiver.packets_read = 0;
    receiver.process = StartReceiver({}, receiver.output, receiver.endpoint, receiver.metrics_port);
    ASSERT_NE(receiver.process, nullptr);
  }

  /// Lets the name stand for these receivers.
  void SetName(const std::vector<size_t>& numbers) const {
    std::vector<std::string> addresses;
    for (const size_t number : numbers) {
      addresses.push_back(Address(number));
    }
    const Status set = hosts_->Set(kName, addresses);
    ASSERT_TRUE(set.ok()) << set.error().message;
  }

  void StartSenderToName(Arguments options = {}) {
    options.insert(options.end(), {"--resolve-interval", "100ms"});
    sender_ = StartSender(options, "0",
                          {"tcp://" + std::string(kName) + ":" + std::to_string(kDataPort)});
    ASSERT_NE(sender_, nullptr);
  }

  /// Of receiver `number`, as the sender counts it; NaN where it is no endpoint.
  double EndpointMetric(size_t number, const std::string& name) const {
    return Metric(kSenderMetricsPort, "pcap_zmq_sender_endpoint_" + name,
                  {{"endpoint", receivers_[number].endpoint}});
  }

  /// Waits until the sender has just these endpoints, and is connected to `connected` of them.
  static bool WaitForEndpoints(size_t count, size_t connected) {
    return WaitUntil([&] {
      const auto metrics = MetricsSnapshot::Fetch(kSenderMetricsPort);
      const std::string name = "pcap_zmq_sender_endpoint_connected";
      return metrics.ok() && metrics.value().LabelValues(name, "endpoint").size() == count &&
             metrics.value().Sum(name) == static_cast<double>(connected);
    });
  }

  uint64_t ReceivedBy(const Receiver& receiver) const {
    return receiver.received_by_earlier_runs +
           (receiver.running() ? ReadReceiver(receiver.output, receiver.metrics_port).received : 0);
  }
  uint64_t ReceivedByAll() const {
    uint64_t sum = 0;
    for (const Receiver& receiver : receivers_) {
      sum += ReceivedBy(receiver);
    }
    return sum;
  }
  /// Packets in the outputs of those that run.
  uint64_t Delivered() const {
    uint64_t sum = 0;
    for (const Receiver& receiver : receivers_) {
      sum += receiver.running()
                 ? ReadReceiver(receiver.output, receiver.metrics_port).sink_delivered
                 : 0;
    }
    return sum;
  }

  /// Ends receiver `number`, whose account is remembered.
  void StopReceiverNumber(size_t number, int signal) {
    Receiver& receiver = receivers_[number];
    receiver.received_by_earlier_runs = ReceivedBy(receiver);
    receiver.process->Signal(signal);
    ASSERT_TRUE(receiver.process->WaitForExit().has_value());
    receiver.process.reset();
  }

  /// Sends both directions of every flow, at the pace of the sender, and waits until all of it was
  /// written.
  void SendAllFlows() {
    constexpr uint32_t kChunk = 2000;
    const uint64_t before = Delivered();
    for (uint32_t first = 0; first < kFlows; first += kChunk) {
      const Status sent = flows_->Send(first, kChunk);
      ASSERT_TRUE(sent.ok()) << sent.error().message;
      generated_ += uint64_t{2} * kChunk;
      ASSERT_TRUE(WaitUntil([&] { return ReadSender().captured == generated_; }))
          << ReadSender().Text() << " of " << generated_;
    }
    ASSERT_TRUE(WaitUntil([&] { return Delivered() == before + uint64_t{2} * kFlows; }))
        << Delivered() << " after " << before << "; " << ReadSender().Text();
  }

  /// SendAllFlows(), and where each flow went: to one receiver, with both directions.
  Owners OwnersOfAllFlows() {
    SendAllFlows();
    Owners owners(kFlows, kNobody);
    if (HasFatalFailure()) {
      return owners;
    }
    std::vector<std::pair<int, int>> seen(kFlows);  // packets of each direction
    for (size_t number = 0; number < receivers_.size(); ++number) {
      Receiver& receiver = receivers_[number];
      if (!receiver.running()) {
        continue;
      }
      const auto bytes = ReadFileBytes(receiver.output.substr(sizeof "file:" - 1));
      const Capture capture = ParseCapture(bytes);
      EXPECT_EQ(capture.error, "");
      for (; receiver.packets_read < capture.packets.size(); ++receiver.packets_read) {
        const TcpFlowMark mark = RecogniseTcpFlow(capture.packets[receiver.packets_read].data);
        if (mark.flow >= kFlows) {
          ADD_FAILURE() << "a packet that nobody sent";
          continue;
        }
        int& owner = owners[mark.flow];
        EXPECT_TRUE(owner == kNobody || owner == static_cast<int>(number))
            << "flow " << mark.flow << " is at " << owner << " and at " << number;
        owner = static_cast<int>(number);
        ++(mark.reply ? seen[mark.flow].second : seen[mark.flow].first);
      }
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), std::pair(1, 1)), kFlows)
        << "of each flow a packet in each direction";
    return owners;
  }

  /// Expects the flows to be spread evenly over `numbers`, and over no others.
  static void ExpectEven(const Owners& owners, const std::vector<size_t>& numbers) {
    const double fair = static_cast<double>(kFlows) / static_cast<double>(numbers.size());
    ptrdiff_t all = 0;
    for (const size_t number : numbers) {
      const auto flows = std::count(owners.begin(), owners.end(), static_cast<int>(number));
      EXPECT_NEAR(static_cast<double>(flows), fair, 0.1 * fair) << "receiver " << number;
      all += flows;
    }
    EXPECT_EQ(all, kFlows);
  }

  /// The share of flows that are not where they were.  All of these have come to or left one of
  /// `numbers`.
  static double Moved(const Owners& before, const Owners& after, const std::set<int>& numbers) {
    uint32_t moved = 0;
    for (uint32_t flow = 0; flow < kFlows; ++flow) {
      if (before[flow] != after[flow]) {
        ++moved;
        EXPECT_TRUE(numbers.contains(before[flow]) || numbers.contains(after[flow]))
            << "flow " << flow << " went from " << before[flow] << " to " << after[flow];
      }
    }
    return static_cast<double>(moved) / kFlows;
  }

  /// Expects the books of both ends to agree, to the packet, and returns the sender's.  Nothing may
  /// be under way.
  SenderLedger ExpectTheLedgerCloses() const {
    SenderLedger ledger;
    EXPECT_TRUE(WaitUntil([&] {
      ledger = ReadSender();
      return ledger.Check(generated_).ok() && ledger.held == 0 && ReceivedByAll() == ledger.sent;
    })) << ledger.Text()
        << "; received " << ReceivedByAll();
    return ledger;
  }

  std::unique_ptr<PrivateHosts> hosts_;
  std::optional<TcpFlowSender> flows_;
  std::vector<Receiver> receivers_;
  uint64_t generated_ = 0;
};

}  // namespace pcap_zmq::testing
