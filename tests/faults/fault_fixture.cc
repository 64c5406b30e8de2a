// SPDX-License-Identifier: MIT
#include "tests/faults/fault_fixture.h"

#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace pcap_zmq::testing {
namespace {

constexpr char kGatewayAddress[] = "192.0.2.1";
constexpr size_t kPacketBytes = 200;

// As PipeTest starts them; the receiver's command is run in the IDS host's network.
std::unique_ptr<Process> Launch(Arguments argv, const Arguments& env) {
  Process::Options options;
  options.env = env;
  auto process = Process::Start(std::move(argv), options);
  if (!process.ok()) {
    ADD_FAILURE() << process.error().message;
    return nullptr;
  }
  return process.Take();
}

bool IsAlive(Process* process, uint16_t port) {
  WaitUntil([&] {
    const auto answer = HttpGet(port, "/healthz");
    return !process->running() || (answer.ok() && answer.value().status == 200);
  });
  return process->running();
}

std::string Readiness(uint16_t port) {
  const auto answer = HttpGet(port, "/readyz");
  return answer.ok() ? std::to_string(answer.value().status) + " " + answer.value().body
                     : answer.error().message;
}

// What the mounts of a test hide from the rest of the machine.
Status EnterPrivateMounts() {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return RuntimeError("private mounts are not permitted here");
  }
  return {};
}

}  // namespace

std::string IdsEndpoint() {
  return std::string("tcp://") + kIdsAddress + ":" + std::to_string(kDataPort);
}

uint64_t FaultSetting(const char* name, uint64_t fallback) {
  const char* text = std::getenv((std::string("FAULT_") + name).c_str());
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

void FaultTest::SetUp() {
  PipeTest::SetUp();
  if (IsSkipped()) {
    return;
  }
  for (const char* program : {"ip", "nsenter"}) {
    if (!HaveProgram(program)) {
      GTEST_SKIP() << program << " is not installed";
    }
  }
  if (const Status status = EnterPrivateMounts(); !status.ok()) {
    GTEST_SKIP() << status.error().message;
  }
  auto host = PeerNamespace::Create();
  ASSERT_TRUE(host.ok()) << host.error().message;
  ids_host_ = host.Take();
  const Status joined = ids_host_->JoinByVeth("to-ids", "eth0");
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  Must({"ip", "addr", "add", std::string(kGatewayAddress) + "/24", "dev", "to-ids"});
  OnIdsHost([] { Must({"ip", "addr", "add", std::string(kIdsAddress) + "/24", "dev", "eth0"}); });
  ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
  TrafficOptions traffic;
  traffic.packet_bytes = kPacketBytes;
  UseTraffic(traffic);
}

void FaultTest::TearDown() {
  if (generator_ != nullptr) {
    generator_->Stop();
  }
  PipeTest::TearDown();
}

void FaultTest::UseTraffic(const TrafficOptions& options) {
  traffic_ = options;
  generator_.reset();
  auto generator = TrafficGenerator::Open(traffic_);
  ASSERT_TRUE(generator.ok()) << generator.error().message;
  generator_ = generator.Take();
  reader_ = std::make_unique<LiveReader>(fifo_, traffic_);
}

void FaultTest::UseLargePackets() {
  TrafficOptions traffic;
  traffic.packet_bytes = kLargePacketBytes;
  UseTraffic(traffic);
}

void FaultTest::Must(Arguments argv) {
  const Status status = RunOrFail(std::move(argv));
  ASSERT_TRUE(status.ok()) << status.error().message;
}

void FaultTest::StartGateway(const Arguments& options, const Arguments& env,
                             const std::string& endpoint) {
  Arguments argv = {PCAP_ZMQ_SEND_PROGRAM, "--name", "gateway"};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.insert(argv.end(), {"0,1", endpoint});
  sender_ = Launch(argv, env);
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(IsAlive(sender_.get(), kSenderMetricsPort)) << sender_->Stderr();
}

void FaultTest::StartIds(const Arguments& options, const Arguments& env,
                         const Arguments& more_outputs) {
  Arguments outputs = {fifo_};
  outputs.insert(outputs.end(), more_outputs.begin(), more_outputs.end());
  StartIdsTo(outputs, options, env);
}

void FaultTest::StartIdsTo(const Arguments& outputs, const Arguments& options,
                           const Arguments& env) {
  Arguments argv = {"nsenter", "--net=" + ids_host_->Path(), PCAP_ZMQ_RECV_PROGRAM};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.push_back("tcp://0.0.0.0:" + std::to_string(kDataPort));
  argv.insert(argv.end(), outputs.begin(), outputs.end());
  receiver_ = Launch(argv, env);
  ASSERT_NE(receiver_, nullptr);
  bool alive = false;
  OnIdsHost([&] { alive = IsAlive(receiver_.get(), kReceiverMetricsPort); });
  ASSERT_TRUE(alive) << receiver_->Stderr();
}

void FaultTest::StartPipe(uint64_t packets_per_second, const Arguments& gateway_options,
                          const Arguments& ids_options) {
  ASSERT_NO_FATAL_FAILURE(StartIds(ids_options));
  reader_->Start();
  ASSERT_NO_FATAL_FAILURE(StartGateway(gateway_options));
  generator_->StartSending(packets_per_second);
  ASSERT_TRUE(WaitForRead(packets_per_second));
  gateway_memory_ = sender_->ResidentBytes();
  ids_memory_ = receiver_->ResidentBytes();
}

void FaultTest::CutLink() const {
  OnIdsHost([] {
    const Status status = LoadRules(
        "table inet cut {\n"
        "  chain in { type filter hook prerouting priority -400; policy accept;\n"
        "    iifname eth0 drop\n"
        "  }\n"
        "  chain out { type filter hook postrouting priority 400; policy accept;\n"
        "    oifname eth0 drop\n"
        "  }\n"
        "}\n");
    ASSERT_TRUE(status.ok()) << status.error().message;
  });
}

void FaultTest::RestoreLink() const {
  OnIdsHost([] { Must({"nft", "delete", "table", "inet", "cut"}); });
}

ReceiverLedger FaultTest::ReadIds() const {
  ReceiverLedger ledger;
  OnIdsHost([&] { ledger = ReadReceiver(fifo_); });
  return ledger;
}

double FaultTest::IdsMetric(const std::string& name, const Labels& labels) const {
  double value = 0;
  OnIdsHost([&] { value = Metric(kReceiverMetricsPort, "pcap_zmq_receiver_" + name, labels); });
  return value;
}

double FaultTest::GatewayMetric(const std::string& name, const Labels& labels) {
  return Metric(kSenderMetricsPort, "pcap_zmq_sender_" + name, labels);
}

std::string FaultTest::IdsReadiness() const {
  std::string text;
  OnIdsHost([&] { text = Readiness(kReceiverMetricsPort); });
  return text;
}

std::string FaultTest::GatewayReadiness() {
  return Readiness(kSenderMetricsPort);
}

bool FaultTest::WaitForRead(uint64_t packets) const {
  const uint64_t wanted = reader_->distinct() + packets;
  return WaitUntil([&] { return reader_->distinct() >= wanted; });
}

bool FaultTest::WaitForTraffic(uint64_t packets) const {
  const uint64_t wanted = generator_->sent() + packets;
  return WaitUntil([&] { return generator_->sent() >= wanted; });
}

Books FaultTest::SettleGateway() {
  generator_->Stop();
  RevealKernelLosses(generator_.get());
  Books books;
  books.generated = generator_->sent();
  books.logged = Logged(*generator_);
  EXPECT_TRUE(WaitUntil([&] {
    books.sender = ReadSender();
    return books.sender.Settled(books.logged - logged_before_);
  })) << books.logged - logged_before_
      << " logged; " << books.sender.Text();
  return books;
}

bool FaultTest::WaitForNewest() {
  return WaitUntil([&] {
    generator_->Send(generator_->sent_by_flow().size(), 200);
    return WaitUntil([&] { return reader_->HasNewest(generator_->sent_by_flow()); },
                     std::chrono::seconds(5));
  });
}

Books FaultTest::SettleNewGateway() {
  generator_->Stop();
  EXPECT_TRUE(WaitForNewest()) << "the traffic does not come back";
  Books books;
  books.generated = generator_->sent();
  books.logged = Logged(*generator_);
  EXPECT_TRUE(WaitUntil([&] {
    books.sender = ReadSender();
    logged_before_ = books.logged - books.sender.captured - books.sender.kernel_lost;
    return books.sender.Settled(books.logged - logged_before_);
  })) << books.sender.Text();
  return books;
}

Books FaultTest::Settle() {
  Books books = SettleGateway();
  WaitUntil([&] {
    books.receiver = ReadIds();
    return books.receiver.Settled(books.sender.sent);
  });
  WaitUntil([&] {
    books.read = reader_->distinct();
    return books.read >= books.receiver.sink_delivered;
  });
  return books;
}

Books FaultTest::ExpectClosed(const std::string& fault, uint64_t slack) {
  const Books books = Settle();
  EXPECT_TRUE(sender_->running());
  EXPECT_TRUE(receiver_->running());
  const Status sender_law = books.sender.Check(books.logged);
  const Status receiver_law = books.receiver.Check(books.sender.sent);
  EXPECT_TRUE(sender_law.ok()) << sender_law.error().message;
  EXPECT_TRUE(receiver_law.ok()) << receiver_law.error().message;
  EXPECT_EQ(books.receiver.unseen, 0u);
  EXPECT_EQ(books.read, books.receiver.sink_delivered);
  EXPECT_EQ(books.missing(), books.counted());
  ExpectReaderIsWhole(0);
  ExpectMemoryIsBounded(slack);
  ExpectReadiness({"200"}, [] { return GatewayReadiness(); });
  ExpectReadiness({"200"}, [this] { return IdsReadiness(); });
  Report(fault, books);
  return books;
}

void FaultTest::ExpectReadiness(const Arguments& wanted,
                                const std::function<std::string()>& readiness) {
  std::string said;
  EXPECT_TRUE(WaitUntil([&] {
    said = readiness();
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& part) {
      return said.find(part) != std::string::npos;
    });
  })) << said;
}

void FaultTest::ExpectReaderIsWhole(uint64_t cut) const {
  const LiveReader::Findings found = reader_->findings();
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.foreign, 0u);
  EXPECT_EQ(found.duplicates, 0u);
  EXPECT_LE(found.cut, cut);
}

void FaultTest::ExpectMemoryIsBounded(uint64_t slack) const {
  EXPECT_LE(sender_->ResidentBytes(), gateway_memory_ + slack);
  EXPECT_LE(receiver_->ResidentBytes(), ids_memory_ + slack);
}

void FaultTest::Report(const std::string& fault, const Books& books, const std::string& more) {
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "fault: %-46s generated %llu = read %llu + before the rules %llu + kernel %llu + "
      "sender %llu + wire %llu + output %llu%s\n",
      fault.c_str(), number(books.generated), number(books.read),
      number(books.generated - books.logged), number(books.sender.kernel_lost),
      number(books.sender.dropped), number(books.receiver.gone()),
      number(books.receiver.sink_dropped), more.c_str());
}

void FaultTest::EndPipe() {
  Terminate(sender_.get());
  Terminate(receiver_.get());
}

}  // namespace pcap_zmq::testing
