// SPDX-License-Identifier: MIT
#include "tests/integration/pipe_fixture.h"

#include <signal.h>

#include <cstdio>
#include <utility>

#include "tests/support/net_namespace.h"

namespace pcap_zmq::testing {
namespace {

// Not until it is ready: that takes a receiver or a reader.
std::unique_ptr<Process> StartAndWait(const Arguments& argv, uint16_t metrics_port) {
  auto process = Process::Start(argv);
  if (!process.ok()) {
    ADD_FAILURE() << process.error().message;
    return nullptr;
  }
  const bool started = WaitUntil([&] {
    if (!process.value()->running()) {
      return true;
    }
    const auto answer = HttpGet(metrics_port, "/healthz");
    return answer.ok() && answer.value().status == 200;
  });
  if (!started || !process.value()->running()) {
    ADD_FAILURE() << argv[0] << " did not start: " << process.value()->Stderr();
    return nullptr;
  }
  return process.Take();
}

// A program cuts off who is held up for two seconds amid an answer, as tests may be on a busy
// machine; hence the second try.
MetricsSnapshot Scrape(uint16_t port) {
  auto metrics = MetricsSnapshot::Fetch(port);
  if (!metrics.ok()) {
    metrics = MetricsSnapshot::Fetch(port);
  }
  if (!metrics.ok()) {
    ADD_FAILURE() << "port " << port << ": " << metrics.error().message;
    return {};
  }
  return metrics.Take();
}

uint64_t ValueOf(const Result<uint64_t>& count) {
  EXPECT_TRUE(count.ok()) << count.error().message;
  return count.ok() ? count.value() : 0;
}

void PrintIfAny(const char* name, const std::unique_ptr<Process>& process) {
  if (process != nullptr) {
    std::fprintf(stderr, "--- stderr of the %s:\n%s", name, process->Stderr().c_str());
  }
}

}  // namespace

std::string TcpEndpoint(uint16_t port) {
  return "tcp://127.0.0.1:" + std::to_string(port);
}

void PipeTest::SetUp() {
  if (const Status status = EnterPrivateNetwork(); !status.ok()) {
    GTEST_SKIP() << status.error().message;
  }
  if (!HaveProgram("nft")) {
    GTEST_SKIP() << "nft is not installed";
  }
}

void PipeTest::TearDown() {
  if (HasFailure()) {
    PrintIfAny("sender", sender_);
    PrintIfAny("receiver", receiver_);
  }
}

void PipeTest::LoadTrafficRules() {
  const Status rules = LogTestTraffic();
  ASSERT_TRUE(rules.ok()) << rules.error().message;
}

std::unique_ptr<Process> PipeTest::StartSender(const Arguments& options, const std::string& source,
                                               const Arguments& endpoints,
                                               uint16_t metrics_port) const {
  Arguments argv = {PCAP_ZMQ_SEND_PROGRAM, "--metrics",
                    "127.0.0.1:" + std::to_string(metrics_port)};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.push_back(source);
  argv.insert(argv.end(), endpoints.begin(), endpoints.end());
  return StartAndWait(argv, metrics_port);
}

std::unique_ptr<Process> PipeTest::StartReceiver(const Arguments& options, const Arguments& outputs,
                                                 const std::string& endpoint,
                                                 uint16_t metrics_port) const {
  Arguments argv = {PCAP_ZMQ_RECV_PROGRAM, "--metrics",
                    "127.0.0.1:" + std::to_string(metrics_port)};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.push_back(endpoint);
  argv.insert(argv.end(), outputs.begin(), outputs.end());
  return StartAndWait(argv, metrics_port);
}

bool PipeTest::WaitUntilHeard() {
  return WaitUntil(
      [] { return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_frames_total") > 0; });
}

SenderLedger PipeTest::ReadSender(uint16_t port) {
  const auto ledger = SenderLedger::From(Scrape(port));
  EXPECT_TRUE(ledger.ok()) << ledger.error().message;
  return ledger.ok() ? ledger.value() : SenderLedger{};
}

ReceiverLedger PipeTest::ReadReceiver(const std::string& sink, uint16_t port) {
  const auto ledger = ReceiverLedger::From(Scrape(port), "", sink);
  EXPECT_TRUE(ledger.ok()) << ledger.error().message;
  return ledger.ok() ? ledger.value() : ReceiverLedger{};
}

double PipeTest::Metric(uint16_t port, const std::string& name, const Labels& labels) {
  return Scrape(port).Sum(name, labels);
}

uint64_t PipeTest::Logged(const TrafficGenerator& generator) {
  uint64_t logged = 0;
  uint64_t dropped = 0;  // of any traffic on lo, hence an upper bound
  EXPECT_TRUE(WaitUntil([&] {
    logged = ValueOf(LoggedPackets());
    dropped = ValueOf(PacketsDroppedOnLoopback());
    return logged + dropped >= generator.sent();
  })) << generator.sent()
      << " sent, " << logged << " logged, " << dropped << " dropped on lo";
  EXPECT_LE(logged, generator.sent());
  return logged;
}

void PipeTest::RevealKernelLosses(TrafficGenerator* generator) {
  generator->Send(2 * generator->sent_by_flow().size(), 200);
}

PipeTest::Outcome PipeTest::ExpectTheLawCloses(TrafficGenerator* generator,
                                               const std::string& sink) {
  RevealKernelLosses(generator);
  Outcome outcome;
  outcome.logged = Logged(*generator);
  WaitUntil([&] {
    outcome.sender = ReadSender();
    return outcome.sender.Settled(outcome.logged);
  });
  WaitUntil([&] {
    outcome.receiver = ReadReceiver(sink);
    return outcome.receiver.Settled(outcome.sender.sent);
  });
  const Status sender_law = outcome.sender.Check(outcome.logged);
  const Status receiver_law = outcome.receiver.Check(outcome.sender.sent);
  EXPECT_TRUE(sender_law.ok()) << sender_law.error().message;
  EXPECT_TRUE(receiver_law.ok()) << receiver_law.error().message;
  std::printf("generated %llu, logged %llu; %s; %s\n",
              static_cast<unsigned long long>(generator->sent()),
              static_cast<unsigned long long>(outcome.logged), outcome.sender.Text().c_str(),
              outcome.receiver.Text().c_str());
  return outcome;
}

void PipeTest::Terminate(Process* program, int status) {
  program->Signal(SIGTERM);
  EXPECT_EQ(program->WaitForExit(), status) << program->Stderr();
}

void PipeTest::AddCapture(std::span<const uint8_t> bytes, bool may_be_cut, MarkChecker* checker) {
  const Capture capture = ParseCapture(bytes);
  EXPECT_EQ(capture.error, "");
  EXPECT_EQ(capture.link_type, 101u);
  if (!may_be_cut) {
    EXPECT_EQ(capture.trailing_bytes, 0u);
  }
  for (const CapturedPacket& packet : capture.packets) {
    checker->Add(packet.data);
  }
}

}  // namespace pcap_zmq::testing
