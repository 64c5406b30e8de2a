// SPDX-License-Identifier: MIT
#include "tests/support/wire_tap.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "tests/support/net_namespace.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint16_t kTapPort = 5000;
constexpr uint16_t kTargetPort = 5001;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class WireTapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status status = EnterPrivateNetwork(); !status.ok()) {
      GTEST_SKIP() << status.error().message;
    }
    listener_.Reset(::socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in address = Loopback(kTargetPort);
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    ASSERT_EQ(::listen(listener_.get(), 4), 0);
    auto tap = WireTap::Start(kTapPort, kTargetPort);
    ASSERT_TRUE(tap.ok()) << tap.error().message;
    tap_ = tap.Take();
  }

  static UniqueFd Connect() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in address = Loopback(kTapPort);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      socket.Reset();
    }
    return socket;
  }

  UniqueFd Accept() const { return UniqueFd(::accept(listener_.get(), nullptr, nullptr)); }

  static std::string ReceiveAll(const UniqueFd& socket, size_t size) {
    std::string text(size, '\0');
    const ssize_t got = ::recv(socket.get(), text.data(), size, MSG_WAITALL);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

  UniqueFd listener_;
  std::unique_ptr<WireTap> tap_;
};

TEST_F(WireTapTest, CarriesBothDirectionsAndCountsTheOneToTheTarget) {
  const UniqueFd client = Connect();
  const UniqueFd server = Accept();
  ASSERT_EQ(::send(client.get(), "question", 8, 0), 8);
  EXPECT_EQ(ReceiveAll(server, 8), "question");
  ASSERT_EQ(::send(server.get(), "answer", 6, 0), 6);
  EXPECT_EQ(ReceiveAll(client, 6), "answer");
  EXPECT_EQ(tap_->bytes(), 8u);
}

TEST_F(WireTapTest, SlotsAddUpToAllBytes) {
  const UniqueFd client = Connect();
  const UniqueFd server = Accept();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(::send(client.get(), "0123456789", 10, 0), 10);
    ASSERT_EQ(ReceiveAll(server, 10).size(), 10u);
  }
  uint64_t sum = 0;
  EXPECT_TRUE(WaitUntil([&] {
    sum = 0;
    for (const uint64_t slot : tap_->Slots()) {
      sum += slot;
    }
    return sum == 50;
  })) << sum;
}

TEST_F(WireTapTest, ACutLinkBreaksConnectionsAndRefusesNewOnesUntilRestored) {
  const UniqueFd client = Connect();
  const UniqueFd server = Accept();
  ASSERT_EQ(::send(client.get(), "x", 1, 0), 1);
  ASSERT_EQ(ReceiveAll(server, 1), "x");
  tap_->Cut();
  EXPECT_EQ(ReceiveAll(client, 1), "");
  EXPECT_EQ(ReceiveAll(server, 1), "");
  EXPECT_TRUE(WaitUntil([] { return !Connect().valid(); }));
  tap_->Restore();
  UniqueFd again;
  ASSERT_TRUE(WaitUntil([&again] { return (again = Connect()).valid(); }));
  const UniqueFd server_again = Accept();
  ASSERT_EQ(::send(again.get(), "y", 1, 0), 1);
  EXPECT_EQ(ReceiveAll(server_again, 1), "y");
}

}  // namespace
}  // namespace pcap_zmq::testing
