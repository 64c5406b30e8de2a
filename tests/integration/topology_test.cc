// SPDX-License-Identifier: MIT
//
// Several senders, several receivers, and the gateway between two networks.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <thread>

#include "base/byte_io.h"
#include "base/unique_fd.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/support/net_namespace.h"
#include "tests/support/tcp_flows.h"

namespace pcap_zmq::testing {
namespace {

class Topology : public PipeTest {};

TEST_F(Topology, TwoSendersOfOneReceiverAreReportedEachOnItsOwn) {
  ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
  TrafficOptions options;
  options.ipv4_flows = 3;
  options.ipv6_flows = 1;
  auto generator = TrafficGenerator::Open(options);
  ASSERT_TRUE(generator.ok()) << generator.error().message;
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender({"--name", "gw-a"}, "0");
  ASSERT_NE(sender_, nullptr);
  const auto second = StartSender({"--name", "gw-b"}, "nflog:1", {TcpEndpoint()}, 9479);
  ASSERT_NE(second, nullptr);
  generator.value()->Send(8000, 8000);
  RevealKernelLosses(generator.value().get());
  const uint64_t logged = Logged(*generator.value());

  SenderLedger ipv4;
  SenderLedger ipv6;
  EXPECT_TRUE(WaitUntil([&] {
    ipv4 = ReadSender();
    ipv6 = ReadSender(9479);
    return ipv4.captured + ipv4.kernel_lost + ipv6.captured + ipv6.kernel_lost == logged;
  })) << ipv4.Text()
      << "; " << ipv6.Text() << "; of " << logged;
  EXPECT_GT(ipv4.captured, ipv6.captured) << "three flows and one";
  EXPECT_GT(ipv6.captured, 0u);
  // What each says of itself arrives with its next control frame.
  for (const std::string metric :
       {"pcap_zmq_receiver_packets_total", "pcap_zmq_receiver_sender_captured_packets_total"}) {
    const auto of = [&](const std::string& sender) {
      return Metric(kReceiverMetricsPort, metric, {{"sender", sender}});
    };
    EXPECT_TRUE(WaitUntil([&] {
      return of("gw-a") == static_cast<double>(ipv4.captured) &&
             of("gw-b") == static_cast<double>(ipv6.captured);
    })) << metric
        << ": " << of("gw-a") << " and " << of("gw-b");
  }
  Terminate(sender_.get());
  Terminate(second.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  MarkChecker checker(options);
  AddCapture(reader.captures().at(0), false, &checker);
  EXPECT_EQ(checker.foreign(), 0u);
  EXPECT_EQ(checker.out_of_order(), 0u);
  EXPECT_EQ(checker.Missing(generator.value()->sent_by_flow()),
            generator.value()->sent() - ipv4.captured - ipv6.captured);
}

TEST_F(Topology, TwoSendersOfOneNameAddUpAndSoDoesOneThatIsStartedAgain) {
  ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
  TrafficOptions options;
  options.ipv4_flows = 3;
  options.ipv6_flows = 1;
  auto generator = TrafficGenerator::Open(options);
  ASSERT_TRUE(generator.ok()) << generator.error().message;
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender({"--name", "gw"}, "0");
  ASSERT_NE(sender_, nullptr);
  const auto second = StartSender({"--name", "gw"}, "nflog:1", {TcpEndpoint()}, 9479);
  ASSERT_NE(second, nullptr);
  const auto expect_sent = [&](uint64_t sent) {
    for (const std::string metric :
         {"pcap_zmq_receiver_packets_total", "pcap_zmq_receiver_sender_sent_packets_total"}) {
      const auto value = [&] { return Metric(kReceiverMetricsPort, metric, {{"sender", "gw"}}); };
      EXPECT_TRUE(WaitUntil([&] { return value() == static_cast<double>(sent); }))
          << metric << ": " << value() << " of " << sent;
    }
  };
  const auto send = [&] {
    generator.value()->Send(1000, 8000);
    RevealKernelLosses(generator.value().get());
  };
  const auto all_captured = [&](uint64_t before) {
    const uint64_t logged = Logged(*generator.value());
    SenderLedger ipv4;
    SenderLedger ipv6;
    EXPECT_TRUE(WaitUntil([&] {
      ipv4 = ReadSender();
      ipv6 = ReadSender(9479);
      return before + ipv4.captured + ipv4.kernel_lost + ipv6.captured + ipv6.kernel_lost ==
                 logged &&
             ipv4.sent == ipv4.captured && ipv6.sent == ipv6.captured;
    })) << ipv4.Text()
        << "; " << ipv6.Text() << "; of " << logged << " less " << before;
    return std::pair(ipv4, ipv6);
  };
  send();
  const SenderLedger first_run = all_captured(0).first;
  EXPECT_GT(first_run.captured, 0u);
  Terminate(sender_.get());
  sender_ = StartSender({"--name", "gw"}, "0");
  ASSERT_NE(sender_, nullptr);
  send();
  const auto [ipv4, ipv6] = all_captured(first_run.captured + first_run.kernel_lost);
  expect_sent(first_run.sent + ipv4.sent + ipv6.sent);
  Terminate(sender_.get());
  Terminate(second.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
}

TEST_F(Topology, TheSendersLogTellsOfAReceiverThatComesAndGoes) {
  sender_ = StartSender({}, "0", {TcpEndpoint()});
  ASSERT_NE(sender_, nullptr);
  EXPECT_TRUE(sender_->WaitForStderr("nobody has answered at " + TcpEndpoint() + " for "))
      << sender_->Stderr();
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  EXPECT_TRUE(sender_->WaitForStderr("connected to " + TcpEndpoint() + " after "))
      << sender_->Stderr();
  receiver_->Signal(SIGKILL);
  EXPECT_TRUE(sender_->WaitForStderr("the connection to " + TcpEndpoint() + " is gone; "))
      << sender_->Stderr();
}

TEST_F(Topology, BothDirectionsOfEachOfAThousandFlowsGoToTheSameReceiver) {
  constexpr uint32_t kFlows = 1000;
  constexpr uint32_t kRounds = 3;
  const Status rules = LogTcpFlows(0);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  const std::string second_fifo = dir_.File("second.pcap");
  FifoReader first_reader(fifo_);
  FifoReader second_reader(second_fifo);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  const auto second = StartReceiver({}, second_fifo, TcpEndpoint(kDataPort + 1), 9479);
  ASSERT_NE(second, nullptr);
  sender_ = StartSender({}, "0", {TcpEndpoint(), TcpEndpoint(kDataPort + 1)});
  ASSERT_NE(sender_, nullptr);
  const Status sent = SendTcpFlows(kFlows, kRounds);
  ASSERT_TRUE(sent.ok()) << sent.error().message;

  constexpr uint64_t kAll = uint64_t{2} * kFlows * kRounds;
  EXPECT_TRUE(WaitUntil([&] {
    return ReadReceiver(fifo_).sink_delivered + ReadReceiver(second_fifo, 9479).sink_delivered ==
           kAll;
  }));
  Terminate(sender_.get());
  Terminate(receiver_.get());
  Terminate(second.get());
  ASSERT_TRUE(first_reader.WaitForEnd());
  ASSERT_TRUE(second_reader.WaitForEnd());

  // Packets by flow, receiver and direction.
  std::vector<std::array<std::array<uint32_t, 2>, 2>> seen(kFlows);
  size_t receiver = 0;
  for (const FifoReader* reader : {&first_reader, &second_reader}) {
    const Capture capture = ParseCapture(reader->captures().at(0));
    EXPECT_EQ(capture.error, "");
    for (const CapturedPacket& packet : capture.packets) {
      const TcpFlowMark mark = RecogniseTcpFlow(packet.data);
      ASSERT_LT(mark.flow, kFlows);
      ++seen[mark.flow][receiver][mark.reply ? 1 : 0];
    }
    ++receiver;
  }
  uint32_t first_share = 0;
  for (uint32_t flow = 0; flow < kFlows; ++flow) {
    const size_t its = seen[flow][0][0] > 0 ? 0 : 1;
    first_share += its == 0 ? 1 : 0;
    EXPECT_EQ(seen[flow][its][0], kRounds) << "flow " << flow;
    EXPECT_EQ(seen[flow][its][1], kRounds) << "replies of flow " << flow;
    EXPECT_EQ(seen[flow][1 - its][0] + seen[flow][1 - its][1], 0u) << "flow " << flow;
  }
  EXPECT_GT(first_share, 350u);
  EXPECT_LT(first_share, 650u);
}

// Two hosts joined by this namespace, which forwards between them like the gateway in the README.
class Gateway : public PipeTest {
 protected:
  static constexpr uint16_t kPort = 80;

  void SetUp() override {
    PipeTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    if (!HaveProgram("ip")) {
      GTEST_SKIP() << "ip is not installed";
    }
    ASSERT_NO_FATAL_FAILURE(AddHost(&client_, "client", "192.0.2", "2001:db8:1"));
    ASSERT_NO_FATAL_FAILURE(AddHost(&server_, "server", "198.51.100", "2001:db8:2"));
    Must({"sh", "-c",
          "echo 1 > /proc/sys/net/ipv4/ip_forward && "
          "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"});
    const Status rules = LoadRules(
        "table inet pipe {\n"
        "  counter logged {\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority 0; policy accept;\n"
        "    meta l4proto tcp counter name logged\n"
        "    meta nfproto ipv4 meta l4proto tcp log group 0 snaplen 65535\n"
        "    meta nfproto ipv6 meta l4proto tcp log group 1 snaplen 65535\n"
        "  }\n"
        "}\n");
    ASSERT_TRUE(rules.ok()) << rules.error().message;
  }

  static void Must(Arguments argv) {
    const Status status = RunOrFail(std::move(argv));
    ASSERT_TRUE(status.ok()) << status.error().message;
  }

  // A namespace behind a veth pair: the host is .2, the gateway .1.
  static void AddHost(std::unique_ptr<PeerNamespace>* host, const std::string& name,
                      const std::string& ipv4, const std::string& ipv6) {
    auto created = PeerNamespace::Create();
    ASSERT_TRUE(created.ok()) << created.error().message;
    *host = created.Take();
    const Status joined = (*host)->JoinByVeth("to-" + name, "eth0");
    ASSERT_TRUE(joined.ok()) << joined.error().message;
    Must({"ip", "addr", "add", ipv4 + ".1/24", "dev", "to-" + name});
    Must({"ip", "addr", "add", ipv6 + "::1/64", "dev", "to-" + name, "nodad"});
    (*host)->Run([&] {
      Must({"ip", "addr", "add", ipv4 + ".2/24", "dev", "eth0"});
      Must({"ip", "addr", "add", ipv6 + "::2/64", "dev", "eth0", "nodad"});
      Must({"ip", "route", "add", "default", "via", ipv4 + ".1"});
      Must({"ip", "-6", "route", "add", "default", "via", ipv6 + "::1"});
    });
  }

  // A TCP connection from the client to the server; returns the two ends.
  std::pair<UniqueFd, UniqueFd> Connect(int family) const {
    sockaddr_in6 address{};
    socklen_t length = sizeof address;
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(kPort);
    const std::array<uint8_t, 16> server = {0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
    std::copy(server.begin(), server.end(), address.sin6_addr.s6_addr);
    if (family == AF_INET) {
      sockaddr_in ipv4{};
      ipv4.sin_family = AF_INET;
      ipv4.sin_port = htons(kPort);
      ipv4.sin_addr.s_addr = htonl(0xc6336402);  // 198.51.100.2
      std::memcpy(&address, &ipv4, sizeof ipv4);
      length = sizeof ipv4;
    }
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    UniqueFd listener;
    server_->Run([&] {
      listener.Reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::bind(listener.get(), generic, length), 0);
      EXPECT_EQ(::listen(listener.get(), 1), 0);
    });
    UniqueFd client;
    client_->Run([&] {
      client.Reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::connect(client.get(), generic, length), 0);
    });
    UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return {std::move(client), std::move(accepted)};
  }

  std::unique_ptr<PeerNamespace> client_;
  std::unique_ptr<PeerNamespace> server_;
};

// The bytes that a TCP sender with source port `port` put on the wire, by the capture.
std::vector<uint8_t> Reassemble(const Capture& capture, int version, uint16_t port) {
  std::map<uint32_t, std::span<const uint8_t>> segments;  // by distance from the first byte
  uint32_t first = 0;
  for (const CapturedPacket& packet : capture.packets) {
    const uint8_t* ip = packet.data.data();
    const size_t tcp = version == 4 ? 20 : 40;
    if (ip[0] >> 4 != version || LoadBe<uint16_t>(ip + tcp) != port) {
      continue;
    }
    const auto sequence = LoadBe<uint32_t>(ip + tcp + 4);
    if ((ip[tcp + 13] & 0x02) != 0) {  // SYN
      first = sequence + 1;
    }
    const size_t payload = tcp + size_t{4} * (ip[tcp + 12] >> 4);
    if (payload < packet.data.size()) {
      // What is sent again may be cut differently: the longer piece is kept.
      std::span<const uint8_t>& kept = segments[sequence - first];
      const auto bytes = packet.data.subspan(payload);
      kept = bytes.size() > kept.size() ? bytes : kept;
    }
  }
  std::vector<uint8_t> stream;
  for (const auto& [offset, bytes] : segments) {
    if (offset > stream.size()) {
      break;  // a hole
    }
    const size_t known = std::min(stream.size() - offset, bytes.size());
    stream.insert(stream.end(), bytes.begin() + static_cast<long>(known), bytes.end());
  }
  return stream;
}

TEST_F(Gateway, ForwardedConnectionsOfBothFamiliesCanBeReadBackFromTheFifo) {
  FifoReader reader(fifo_);
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender();
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(WaitUntilHeard());
  std::vector<uint8_t> said(3'000'000);
  for (size_t i = 0; i < said.size(); ++i) {
    said[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  }
  for (const int family : {AF_INET, AF_INET6}) {
    auto [client, server] = Connect(family);
    ASSERT_TRUE(client.valid() && server.valid());
    ASSERT_EQ(::send(client.get(), "GET", 3, MSG_NOSIGNAL), 3);
    std::vector<uint8_t> heard(said.size());
    std::thread serving([&said, fd = server.get()] {
      EXPECT_EQ(::send(fd, said.data(), said.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(said.size()));
    });
    EXPECT_EQ(::recv(client.get(), heard.data(), heard.size(), MSG_WAITALL),
              static_cast<ssize_t>(heard.size()));
    serving.join();
    EXPECT_EQ(heard, said);
  }
  // What the two still say of the end of their connections would come after the count.
  Must({"ip", "link", "set", "to-client", "down"});
  uint64_t logged = 0;
  SenderLedger sender;
  ReceiverLedger receiver;
  EXPECT_TRUE(WaitUntil([&] {
    const auto count = LoggedPackets();
    logged = count.ok() ? count.value() : 0;
    sender = ReadSender();
    receiver = ReadReceiver(fifo_);
    return logged > 0 && sender.Settled(logged) && receiver.Settled(sender.sent);
  })) << logged
      << " logged; " << sender.Text() << "; " << receiver.Text();
  EXPECT_EQ(receiver.sink_delivered, logged);
  Terminate(sender_.get());
  Terminate(receiver_.get());
  ASSERT_TRUE(reader.WaitForEnd());
  const Capture capture = ParseCapture(reader.captures().at(0));
  EXPECT_EQ(capture.error, "");
  EXPECT_EQ(capture.trailing_bytes, 0u);
  EXPECT_EQ(capture.packets.size(), logged);
  EXPECT_TRUE(Reassemble(capture, 4, kPort) == said);
  EXPECT_TRUE(Reassemble(capture, 6, kPort) == said);
}

}  // namespace
}  // namespace pcap_zmq::testing
