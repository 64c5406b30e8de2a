// SPDX-License-Identifier: MIT
//
// Wrong input at the programs' edge: one clear line, the right exit status, never a hang.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <ostream>
#include <sstream>
#include <thread>

#include "base/unique_fd.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

constexpr const char* kSend = PCAP_ZMQ_SEND_PROGRAM;
constexpr const char* kRecv = PCAP_ZMQ_RECV_PROGRAM;

/// A command line that must be refused.  "@" in it stands for the test's directory.
struct Refusal {
  std::string name;
  Arguments argv;
  int status = 2;
  Arguments needles;  ///< that stderr must hold
  Arguments env = {};
  std::string file = {};  ///< content of the file @/input
  bool without_capabilities = false;
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

Refusal Send(std::string name, Arguments arguments, Arguments needles) {
  arguments.insert(arguments.begin(), {kSend, "--metrics", "off"});
  return {std::move(name), std::move(arguments), 2, std::move(needles)};
}

Refusal Recv(std::string name, Arguments arguments, Arguments needles) {
  arguments.insert(arguments.begin(), {kRecv, "--metrics", "off"});
  return {std::move(name), std::move(arguments), 2, std::move(needles)};
}

Refusal With(Refusal refusal, const std::function<void(Refusal*)>& change) {
  change(&refusal);
  return refusal;
}

Refusal WithVariable(Refusal refusal, const std::string& variable) {
  return With(std::move(refusal), [&](Refusal* r) { r->env = {variable}; });
}

Refusal WithFile(Refusal refusal, const std::string& content) {
  return With(std::move(refusal), [&](Refusal* r) { r->file = content; });
}

Refusal Status1(Refusal refusal) {
  return With(std::move(refusal), [](Refusal* r) { r->status = 1; });
}

Refusal Unprivileged(Refusal refusal) {
  return With(std::move(refusal), [](Refusal* r) { r->without_capabilities = true; });
}

constexpr const char* kTo = "tcp://127.0.0.1:5555";
constexpr const char* kOut = "@/fifo";

std::vector<Refusal> Refusals() {
  return {
      Send("SenderUnknownOption", {"--lmw", "1", "0", kTo}, {"--lmw", "--lwm"}),
      Recv("ReceiverUnknownOption", {"--piep-size", "1MiB", kTo, kOut},
           {"--piep-size", "--pipe-size"}),
      WithVariable(Send("SenderUnknownVariable", {"0", kTo}, {"PCAP_ZMQ_HMW", "PCAP_ZMQ_HWM"}),
                   "PCAP_ZMQ_HMW=1"),
      WithVariable(
          Recv("ReceiverUnknownVariable", {kTo, kOut}, {"PCAP_ZMQ_OUTPUTT", "PCAP_ZMQ_OUTPUT"}),
          "PCAP_ZMQ_OUTPUTT=x"),
      Send("LowWatermarkAboveTheHighOne", {"--lwm", "20", "--hwm", "10", "0", kTo},
           {"--lwm", "--hwm"}),
      Send("RateThatDoesNotParse", {"--lwm", "8 parsecs", "0", kTo}, {"--lwm", "8 parsecs"}),
      WithVariable(Send("RateInAVariableThatDoesNotParse", {"0", kTo}, {"PCAP_ZMQ_LWM", "fast"}),
                   "PCAP_ZMQ_LWM=fast"),
      Send("DurationThatDoesNotParse", {"--squash-linger", "50mss", "0", kTo},
           {"--squash-linger", "50mss"}),
      Recv("SizeThatDoesNotParse", {"--pipe-size", "lots", kTo, kOut}, {"--pipe-size", "lots"}),
      Send("GroupOutOfRange", {"70000", kTo}, {"70000", "65535"}),
      Send("GroupTwice", {"3,3", kTo}, {"3", "twice"}),
      Send("EndpointThatDoesNotParse", {"0", "tcp:/ids:1234"}, {"tcp:/ids:1234"}),
      Send("EndpointWithoutAPort", {"0", "tcp://ids.host"}, {"tcp://ids.host", "port"}),
      Recv("EndpointOfAnotherHost", {"tcp://192.0.2.77:5555", kOut}, {"tcp://192.0.2.77:5555"}),
      Recv("EndpointThatDoesNotParseAtTheReceiver", {"udp//x", kOut}, {"udp//x"}),
      Recv("OutputInAMissingDirectory", {kTo, "@/missing/fifo"}, {"@/missing"}),
      Unprivileged(
          Recv("OutputInAnUnwritableDirectory", {kTo, "@/locked/fifo"}, {"@/locked/fifo"})),
      WithFile(Recv("OutputThatIsARegularFile", {kTo, "@/input"}, {"@/input", "file:@/input"}),
               "precious"),
      Recv("OutputThatIsADirectory", {kTo, "@/locked"}, {"@/locked", "directory"}),
      WithFile(Send("ConfigFileWithASyntaxError", {"--config", "@/input", "0", kTo},
                    {"@/input", "line 2"}),
               "{\n\"lwm\": oops}\n"),
      WithFile(Send("ConfigFileWithAnUnknownKey", {"--config", "@/input", "0", kTo},
                    {"@/input", "lmw", "lwm"}),
               "{\"lmw\": 3}"),
      Send("ConfigFileThatIsMissing", {"--config", "@/none", "0", kTo}, {"@/none"}),
      WithFile(Send("CaptureFileThatIsEmpty", {"file:@/input", kTo}, {"@/input"}), ""),
      WithFile(Send("CaptureFileThatIsNone", {"file:@/input", kTo}, {"@/input"}),
               "This is not a capture, only some words that are long enough to hold a header.\n"),
      Send("CaptureFileThatIsMissing", {"file:@/none", kTo}, {"@/none"}),
      Status1(Send("InterfaceThatDoesNotExist", {"pcap:nosuch0", kTo}, {"nosuch0"})),
      Status1(Unprivileged(Send("NflogWithoutPermission", {"0", kTo}, {"CAP_NET_ADMIN"}))),
      Send("UserThatDoesNotExist", {"--user", "no-such-user", "0", kTo}, {"no-such-user"}),
  };
}

// What every refusal is checked for.
class RefusalTest : public PipeTest {
 protected:
  std::string InPlace(std::string text) const {
    for (size_t at = text.find('@'); at != std::string::npos; at = text.find('@', at)) {
      text.replace(at, 1, dir_.path());
    }
    return text;
  }

  void ExpectRefusal(const Refusal& refusal) const {
    Arguments argv;
    for (const std::string& argument : refusal.argv) {
      argv.push_back(InPlace(argument));
    }
    Process::Options options;
    options.env = refusal.env;
    options.drop_net_admin = refusal.without_capabilities;
    auto process = Process::Start(argv, options);
    ASSERT_TRUE(process.ok()) << process.error().message;
    EXPECT_EQ(process.value()->WaitForExit(), refusal.status);
    const std::string said = process.value()->Stderr();
    EXPECT_EQ(process.value()->Stdout(), "");
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    const std::string program = argv[0].substr(argv[0].rfind('/') + 1);
    EXPECT_EQ(said.rfind(program + ": error: ", 0), 0u) << said;
    for (const std::string& needle : refusal.needles) {
      EXPECT_NE(said.find(InPlace(needle)), std::string::npos) << needle << " in: " << said;
    }
  }
};

class BadInput : public RefusalTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(BadInput, IsRefusedInOneClearLine) {
  const Refusal& refusal = GetParam();
  dir_.Write("input", refusal.file);
  ASSERT_EQ(::mkdir(dir_.File("locked").c_str(), 0500), 0);
  ExpectRefusal(refusal);
  EXPECT_EQ(ReadFileBytes(dir_.File("input")),
            std::vector<uint8_t>(refusal.file.begin(), refusal.file.end()))
      << "the file was touched";
}

INSTANTIATE_TEST_SUITE_P(Of, BadInput, ::testing::ValuesIn(Refusals()),
                         [](const auto& tested) { return tested.param.name; });

class Occupied : public RefusalTest {
 protected:
  // Listens on 127.0.0.1 like another program that was there first.
  static UniqueFd Occupy(uint16_t port) {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket.get(), 1), 0);
    return socket;
  }
};

TEST_F(Occupied, PortOfTheEndpointIsNamed) {
  const UniqueFd other = Occupy(kDataPort);
  ExpectRefusal(Recv("", {kTo, kOut}, {kTo, "in use"}));
}

TEST_F(Occupied, PortOfTheReceiversMetricsIsNamed) {
  const UniqueFd other = Occupy(9500);
  ExpectRefusal({"",
                 {kRecv, "--metrics", "127.0.0.1:9500", kTo, kOut},
                 2,
                 {"127.0.0.1:9500", "--metrics", "in use"}});
}

TEST_F(Occupied, PortOfTheSendersMetricsIsNamed) {
  const UniqueFd other = Occupy(9500);
  ExpectRefusal({"",
                 {kSend, "--metrics", "127.0.0.1:9500", "0", kTo},
                 2,
                 {"127.0.0.1:9500", "--metrics", "in use"}});
}

TEST_F(Occupied, NflogGroupIsNamedWithTheProcessThatHasIt) {
  sender_ = StartSender({}, "7");
  ASSERT_NE(sender_, nullptr);
  Arguments needles = {"group 7"};
  // Only root of the whole machine may look the owner up.
  if (::access("/proc/self/net/netfilter/nfnetlink_log", R_OK) == 0) {
    needles.push_back(std::to_string(sender_->pid()));
  }
  ExpectRefusal(Status1(Send("", {"6,7", kTo}, needles)));
}

// A name service at the addresses of /etc/resolv.conf that knows no name at all.
class NoSuchName : public RefusalTest {
 protected:
  void SetUp() override {
    RefusalTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    if (!HaveProgram("ip")) {
      GTEST_SKIP() << "ip is not installed";
    }
    for (const std::string& server : NameServers()) {
      // 127.0.0.0/8 and ::1 are lo's already.
      static_cast<void>(RunOrFail({"ip", "addr", "add", server, "dev", "lo"}));
    }
    socket_.Reset(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(53);
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    answering_ = std::thread([this] { Answer(); });
  }

  void TearDown() override {
    if (answering_.joinable()) {
      ::shutdown(socket_.get(), SHUT_RDWR);
      answering_.join();
    }
    RefusalTest::TearDown();
  }

  static Arguments NameServers() {
    std::ifstream file("/etc/resolv.conf");
    Arguments servers;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string keyword;
      std::string address;
      if (words >> keyword >> address && keyword == "nameserver") {
        servers.push_back(address);
      }
    }
    return servers;
  }

  void Answer() const {
    std::array<uint8_t, 1500> query{};
    sockaddr_in6 from{};
    socklen_t length = sizeof from;
    ssize_t got = 0;
    while ((got = ::recvfrom(socket_.get(), query.data(), query.size(), 0,
                             reinterpret_cast<sockaddr*>(&from), &length)) > 0) {
      query[2] |= 0x80;                                        // an answer
      query[3] = static_cast<uint8_t>((query[3] & ~0xf) | 3);  // no such name
      ::sendto(socket_.get(), query.data(), static_cast<size_t>(got), 0,
               reinterpret_cast<const sockaddr*>(&from), length);
      length = sizeof from;
    }
  }

  UniqueFd socket_;
  std::thread answering_;
};

TEST_F(NoSuchName, OfAnEndpointIsRefused) {
  ExpectRefusal(Send("", {"0", "tcp://nosuch.invalid:1"}, {"nosuch.invalid", "resolve"}));
}

class CutCapture : public PipeTest {};

TEST_F(CutCapture, DeliversWhatIsWholeWarnsAndEndsWell) {
  // A capture of raw IPv4 packets, as the pipe itself writes them.
  std::string capture("\x4d\x3c\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\x00\x65\0\0\0", 24);
  Bytes records;
  constexpr size_t kWhole = 50;
  for (size_t i = 0; i <= kWhole; ++i) {
    AppendRecord(&records, Ipv4Packet("packet " + std::to_string(i)),
                 (1'700'000'000 + static_cast<Nanoseconds>(i)) * kNanosPerSecond);
  }
  capture.append(records.begin(), records.end());
  capture.resize(capture.size() - 5);
  const std::string path = dir_.Write("cut.pcap", capture);

  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  auto sender = Process::Start(
      {kSend, "--metrics", "off", "--replay-speed", "max", "file:" + path, TcpEndpoint()});
  ASSERT_TRUE(sender.ok()) << sender.error().message;
  EXPECT_EQ(sender.value()->WaitForExit(), 0);
  EXPECT_NE(sender.value()->Stderr().find("warning"), std::string::npos)
      << sender.value()->Stderr();
  EXPECT_NE(sender.value()->Stderr().find(path), std::string::npos) << sender.value()->Stderr();
  EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered == kWhole; }));
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  const Capture out = ParseCapture(reader.captures().at(0));
  EXPECT_EQ(out.error, "");
  ASSERT_EQ(out.packets.size(), kWhole);
  for (size_t i = 0; i < kWhole; ++i) {
    const Bytes expected = Ipv4Packet("packet " + std::to_string(i));
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.packets[i].data.begin(),
                           out.packets[i].data.end()));
  }
}

}  // namespace
}  // namespace pcap_zmq::testing
