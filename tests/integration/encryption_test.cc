// SPDX-License-Identifier: MIT
//
// Keys: who is let in, under which name, and what a listener on the wire sees.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"
#include "tests/support/sanitized.h"

namespace pcap_zmq::testing {
namespace {

// A receiver with keys and its reader, rules that log, and traffic in plain text.
class Encryption : public PipeTest {
 protected:
  void SetUp() override {
    PipeTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
    options_.compressible = true;
    options_.packet_bytes = 500;
    auto generator = TrafficGenerator::Open(options_);
    ASSERT_TRUE(generator.ok()) << generator.error().message;
    generator_ = generator.Take();
    ASSERT_TRUE(MakeKeys("receiver"));
    std::filesystem::create_directory(authorized_);
    reader_ = std::make_unique<FifoReader>(fifo_);
  }

  bool MakeKeys(const std::string& name) {
    const auto made = RunCommand({PCAP_ZMQ_KEYGEN_PROGRAM, keys_, name});
    EXPECT_TRUE(made.ok() && made.value().status == 0) << (made.ok() ? made.value().err : "");
    return made.ok() && made.value().status == 0;
  }
  void Authorize(const std::string& name) {
    std::filesystem::copy_file(keys_ + "/" + name + ".pub", authorized_ + "/" + name + ".pub");
  }
  void Revoke(const std::string& name) {
    std::filesystem::remove(authorized_ + "/" + name + ".pub");
  }

  void StartReceiverWithKeys() {
    receiver_ = StartReceiver(
        {"--curve-key", keys_ + "/receiver.key", "--authorized-keys", authorized_}, fifo_);
    ASSERT_NE(receiver_, nullptr);
  }
  std::unique_ptr<Process> StartSenderAs(const std::string& name, const std::string& source = "0,1",
                                         uint16_t metrics_port = kSenderMetricsPort) {
    return StartSender({"--curve-key", keys_ + "/" + name + ".key", "--server-key",
                        keys_ + "/receiver.pub", "--name", "claims-to-be-another"},
                       source, {TcpEndpoint()}, metrics_port);
  }
  static double Refused(const std::string& reason) {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_refused_connections_total",
                  {{"reason", reason}});
  }
  static double ReceivedFrom(const std::string& name) {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_packets_total", {{"sender", name}});
  }
  static double Received() {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_packets_total");
  }

  const std::string keys_ = dir_.File("keys");
  const std::string authorized_ = dir_.File("authorized");
  TrafficOptions options_;
  std::unique_ptr<TrafficGenerator> generator_;
  std::unique_ptr<FifoReader> reader_;
};

TEST_F(Encryption, AnAuthorizedSendersPacketsArriveUnderItsKeysName) {
  ASSERT_TRUE(MakeKeys("gw-1"));
  Authorize("gw-1");
  StartReceiverWithKeys();
  sender_ = StartSenderAs("gw-1");
  ASSERT_NE(sender_, nullptr);
  generator_->Send(5000, 5000);
  const Outcome outcome = ExpectTheLawCloses(generator_.get(), fifo_);
  EXPECT_EQ(outcome.receiver.lost + outcome.receiver.unseen, 0U);
  EXPECT_EQ(ReceivedFrom("gw-1"), static_cast<double>(outcome.receiver.received));
  EXPECT_TRUE(std::isnan(ReceivedFrom("claims-to-be-another"))) << "there is no such sender";
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader_->WaitForEnd());
  MarkChecker checker(options_);
  AddCapture(reader_->captures().at(0), false, &checker);
  EXPECT_EQ(checker.foreign(), 0U);
  EXPECT_EQ(checker.Missing(generator_->sent_by_flow()), outcome.sender.kernel_lost);
}

TEST_F(Encryption, ASenderWithoutOrWithAnUnknownKeyDeliversNothingAndIsCounted) {
  ASSERT_TRUE(MakeKeys("stranger"));
  StartReceiverWithKeys();
  sender_ = StartSenderAs("stranger", "0");
  ASSERT_NE(sender_, nullptr);
  const auto keyless = StartSender({}, "1", {TcpEndpoint()}, 9479);
  ASSERT_NE(keyless, nullptr);
  generator_->Send(2000, 5000);
  EXPECT_TRUE(WaitUntil([] { return Refused("unknown_key") >= 2; }));
  EXPECT_TRUE(WaitUntil([] { return Refused("mechanism") + Refused("incomplete") >= 2; }));
  for (const uint16_t port : {kSenderMetricsPort, uint16_t{9479}}) {
    EXPECT_TRUE(
        WaitUntil([&] { return Metric(port, "pcap_zmq_sender_handshake_failures_total") >= 2; }));
    EXPECT_EQ(Metric(port, "pcap_zmq_sender_connected_endpoints"), 0);
  }
  EXPECT_EQ(Received(), 0);
  EXPECT_TRUE(receiver_->WaitForStderr("turned away 127.0.0.1: its key is not among"));
  EXPECT_TRUE(sender_->WaitForStderr("the receiver does not know this sender's key"));
  EXPECT_TRUE(keyless->WaitForStderr("no handshake with tcp://127.0.0.1"));
}

TEST_F(Encryption, AKeyThatIsAddedLetsInAndOneThatIsRemovedCutsOffWithoutARestart) {
  ASSERT_TRUE(MakeKeys("gw-1"));
  StartReceiverWithKeys();
  sender_ = StartSenderAs("gw-1");
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(WaitUntil([] { return Refused("unknown_key") > 0; }));
  generator_->StartSending(2000);
  for (int round = 0; round < 2; ++round) {
    Authorize("gw-1");
    const double before = Received();
    ASSERT_TRUE(WaitUntil([&] { return Received() > before + 1000; })) << "round " << round;
    EXPECT_TRUE(WaitUntil(
        [] { return Metric(kSenderMetricsPort, "pcap_zmq_sender_connected_endpoints") == 1; }));
    const double refused = Refused("unknown_key");
    Revoke("gw-1");
    ASSERT_TRUE(WaitUntil([&] { return Refused("unknown_key") > refused + 1; }));
    ASSERT_TRUE(WaitUntil(
        [&] { return Metric(kSenderMetricsPort, "pcap_zmq_sender_connected_endpoints") == 0; }));
    const double at_cut = Received();
    const uint64_t generated = generator_->sent();
    ASSERT_TRUE(WaitUntil([&] { return generator_->sent() > generated + 4000; }));
    EXPECT_EQ(Received(), at_cut) << "round " << round;
  }
  Authorize("gw-1");
  const double before = Received();
  ASSERT_TRUE(WaitUntil([&] { return Received() > before + 1000; }));
  generator_->Stop();
  // What arrived after its key was taken away is lost, and said to be.
  ExpectTheLawCloses(generator_.get(), fifo_);
}

TEST_F(Encryption, AListenerOnTheWireSeesNothingOfThePackets) {
  if (!HaveProgram("tcpdump")) {
    GTEST_SKIP() << "tcpdump is not installed";
  }
  ASSERT_TRUE(MakeKeys("gw-1"));
  Authorize("gw-1");
  // Every packet holds its flow's text; whichever hundred bytes of it are seen give it away.
  const auto wire_of = [&](bool encrypted) {
    const std::string file = dir_.File(encrypted ? "encrypted.pcap" : "plain.pcap");
    auto listener = Process::Start({"tcpdump", "-i", "lo", "-U", "-w", file, "-s", "0", "-Z",
                                    "root", "tcp port " + std::to_string(kDataPort)});
    EXPECT_TRUE(listener.ok());
    EXPECT_TRUE(listener.value()->WaitForStderr("listening on lo"));
    if (encrypted) {
      StartReceiverWithKeys();
      sender_ = StartSenderAs("gw-1");
    } else {
      receiver_ = StartReceiver({}, fifo_);
      sender_ = StartSender();
    }
    EXPECT_TRUE(sender_ != nullptr && receiver_ != nullptr);
    EXPECT_TRUE(WaitUntilHeard());
    generator_->Send(1000, 1000);
    EXPECT_TRUE(WaitUntil([] { return Received() > 900; }));
    // The listener gives up what it has not read when it ends.
    EXPECT_TRUE(
        WaitUntil([&] { return ReadFileBytes(file).size() > 900 * options_.packet_bytes; }));
    Terminate(sender_.get());
    Terminate(receiver_.get());
    listener.value()->Signal(SIGTERM);
    EXPECT_TRUE(listener.value()->WaitForExit());
    return ReadFileBytes(file);
  };
  const auto holds = [](const Bytes& haystack, std::span<const uint8_t> needle) {
    return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) !=
           haystack.end();
  };
  const Bytes plain = wire_of(false);
  ASSERT_TRUE(reader_->WaitForEnd());
  const Bytes captured = reader_->captures().at(0);
  const Capture delivered = ParseCapture(captured);
  ASSERT_FALSE(delivered.packets.empty());
  // From the middle of the payload, and the control frames' JSON.
  const std::span<const uint8_t> text = delivered.packets.at(0).data.subspan(200, 100);
  const std::string_view json = "\"captured\"";
  const std::span<const uint8_t> report(reinterpret_cast<const uint8_t*>(json.data()), json.size());
  ASSERT_TRUE(holds(plain, text)) << "the search itself must work";
  ASSERT_TRUE(holds(plain, report));
  reader_ = std::make_unique<FifoReader>(fifo_);
  const Bytes encrypted = wire_of(true);
  ASSERT_GT(encrypted.size(), plain.size() / 2) << "something crossed the wire";
  EXPECT_FALSE(holds(encrypted, text));
  EXPECT_FALSE(holds(encrypted, text.first(16)));
  EXPECT_FALSE(holds(encrypted, report));
}

TEST_F(Encryption, KeysThatCannotBeUsedEndTheStartInOneLine) {
  ASSERT_TRUE(MakeKeys("gw-1"));
  const auto refusal = [&](Arguments argv) {
    const auto run = RunCommand(std::move(argv));
    EXPECT_TRUE(run.ok());
    EXPECT_EQ(run.value().status, 2) << run.value().err;
    EXPECT_EQ(std::count(run.value().err.begin(), run.value().err.end(), '\n'), 1)
        << run.value().err;
    return run.value().err;
  };
  const std::string readable = keys_ + "/readable.key";
  std::filesystem::copy_file(keys_ + "/gw-1.key", readable);
  std::filesystem::permissions(readable, std::filesystem::perms(0644));
  EXPECT_NE(refusal({PCAP_ZMQ_SEND_PROGRAM, "--metrics", "off", "--curve-key", readable,
                     "--server-key", keys_ + "/receiver.pub", "0", TcpEndpoint()})
                .find("chmod 600"),
            std::string::npos);
  EXPECT_NE(
      refusal({PCAP_ZMQ_RECV_PROGRAM, "--metrics", "off", "--curve-key", keys_ + "/receiver.key",
               "--authorized-keys", dir_.File("missing"), TcpEndpoint(), fifo_})
          .find("cannot read the directory of authorized keys"),
      std::string::npos);
  EXPECT_NE(refusal({PCAP_ZMQ_RECV_PROGRAM, "--metrics", "off", "--require-encryption",
                     "tcp://0.0.0.0:5555", fifo_})
                .find("--require-encryption"),
            std::string::npos);
  EXPECT_NE(refusal({PCAP_ZMQ_KEYGEN_PROGRAM, keys_, "gw-1"}).find("never overwritten"),
            std::string::npos);
}

TEST_F(Encryption, AProcessWithASecretKeyCannotBeLookedInto) {
  if (kSanitized) {
    GTEST_SKIP() << "the sanitizer looks into the process when it ends";
  }
  ASSERT_TRUE(MakeKeys("gw-1"));
  // As a user of its own and as root, who has given up his rights.
  for (const bool as_user : {true, false}) {
    const std::string work = dir_.File(as_user ? "user" : "root");
    std::filesystem::create_directory(work);
    std::filesystem::copy(keys_, work + "/keys");
    // The build's directory need not be open to everybody.
    std::filesystem::copy_file(PCAP_ZMQ_RECV_PROGRAM, work + "/recv");
    Arguments argv;
    if (as_user) {
      argv = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
      ASSERT_EQ(RunCommand({"chown", "-R", "65534:65534", work}).value().status, 0);
      ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    }
    const std::string port = std::to_string(kReceiverMetricsPort);
    argv.insert(argv.end(), {work + "/recv", "--metrics", "127.0.0.1:" + port, "--curve-key",
                             work + "/keys/receiver.key", "--authorized-keys", work + "/keys",
                             TcpEndpoint(), "file:" + work + "/out.pcap"});
    auto started = Process::Start(argv);
    ASSERT_TRUE(started.ok()) << started.error().message;
    receiver_ = started.Take();
    ASSERT_TRUE(receiver_->WaitForStderr("listening on")) << receiver_->Stderr();
    const std::string proc = "/proc/" + std::to_string(receiver_->pid());
    struct stat environment {};
    ASSERT_EQ(::stat((proc + "/environ").c_str(), &environment), 0);
    EXPECT_EQ(environment.st_uid, 0U) << "the kernel keeps it for root";
    std::ifstream limits(proc + "/limits");
    const std::string text{std::istreambuf_iterator<char>(limits), {}};
    EXPECT_NE(text.find("Max core file size        0                    0 "), std::string::npos)
        << text;
    EXPECT_GT(Metric(kReceiverMetricsPort, "process_open_fds"), 5);
    Terminate(receiver_.get());
  }
}

TEST_F(Encryption, AReceiverThatAnybodyCanReachSaysSo) {
  receiver_ = StartReceiver({}, fifo_, "tcp://0.0.0.0:5555");
  ASSERT_NE(receiver_, nullptr);
  EXPECT_TRUE(receiver_->WaitForStderr("warning: anybody who reaches tcp://0.0.0.0:5555"));
}

TEST_F(Encryption, BothEndsNameTheCryptoLibraryOfLibzmqWhenTheyStart) {
  ASSERT_TRUE(MakeKeys("gw-1"));
  Authorize("gw-1");
  StartReceiverWithKeys();
  sender_ = StartSenderAs("gw-1");
  ASSERT_NE(sender_, nullptr);
  for (Process* program : {receiver_.get(), sender_.get()}) {
    EXPECT_TRUE(program->WaitForStderr("encrypting with libsodium; this "));
    EXPECT_EQ(program->Stderr().find("tweetnacl"), std::string::npos) << program->Stderr();
  }
}

TEST_F(Encryption, BothEndsWarnOfALibzmqThatWasBuiltWithoutLibsodium) {
  if (kSanitized) {
    GTEST_SKIP() << "a sanitizer's runtime wants to be loaded before the other libzmq";
  }
  ASSERT_TRUE(MakeKeys("gw-1"));
  Process::Options with_stub;
  with_stub.env = {std::string("LD_PRELOAD=") + PCAP_ZMQ_WITHOUT_SODIUM};
  const std::vector<Arguments> commands = {
      {PCAP_ZMQ_RECV_PROGRAM, "--metrics", "off", "--curve-key", keys_ + "/receiver.key",
       "--authorized-keys", authorized_, TcpEndpoint(), fifo_},
      {PCAP_ZMQ_SEND_PROGRAM, "--metrics", "off", "--curve-key", keys_ + "/gw-1.key",
       "--server-key", keys_ + "/receiver.pub", "0", TcpEndpoint()}};
  for (const Arguments& command : commands) {
    auto program = Process::Start(command, with_stub);
    ASSERT_TRUE(program.ok()) << program.error().message;
    EXPECT_TRUE(program.value()->WaitForStderr("encrypting with tweetnacl; this "));
    EXPECT_TRUE(
        program.value()->WaitForStderr(std::string("warning: ") + PCAP_ZMQ_WITHOUT_SODIUM +
                                       " was built without libsodium and encrypts with tweetnacl"))
        << program.value()->Stderr();
    EXPECT_TRUE(program.value()->WaitForStderr(TcpEndpoint())) << "the start's last line";
    Terminate(program.value().get());
  }
}

TEST_F(Encryption, SendersThatShareAGroupsKeyAreToldApartByWhatTheyCallThemselves) {
  ASSERT_TRUE(MakeKeys("nodes"));
  ASSERT_TRUE(MakeKeys("gw-1"));
  std::filesystem::copy_file(keys_ + "/nodes.pub", authorized_ + "/nodes@.pub");
  Authorize("gw-1");
  StartReceiverWithKeys();
  const auto start = [this](const std::string& name, const std::string& source, uint16_t port) {
    return StartSender({"--curve-key", keys_ + "/nodes.key", "--server-key",
                        keys_ + "/receiver.pub", "--name", name},
                       source, {TcpEndpoint()}, port);
  };
  sender_ = start("node-a", "0", kSenderMetricsPort);
  ASSERT_NE(sender_, nullptr);
  const auto second = start("gw-1", "1", 9479);  // the name of another one's key
  ASSERT_NE(second, nullptr);
  generator_->Send(4000, 5000);
  const auto logged = static_cast<double>(Logged(*generator_));
  EXPECT_TRUE(WaitUntil([&] {
    return ReceivedFrom("nodes@node-a") + ReceivedFrom("nodes@gw-1") == logged;
  })) << ReceivedFrom("nodes@node-a")
      << " and " << ReceivedFrom("nodes@gw-1") << " of " << logged;
  EXPECT_GT(ReceivedFrom("nodes@node-a"), 0);
  EXPECT_GT(ReceivedFrom("nodes@gw-1"), 0);
  EXPECT_TRUE(std::isnan(ReceivedFrom("gw-1")));
  EXPECT_TRUE(std::isnan(ReceivedFrom("node-a")));
  Terminate(sender_.get());
  Terminate(second.get());
  Terminate(receiver_.get());
}

}  // namespace
}  // namespace pcap_zmq::testing
