// SPDX-License-Identifier: MIT
// Twin of src/transport/connection_guard.cc
//
// What one network may take of the places, and a guard that the system has no means for.
#include <gtest/gtest.h>
#include <zmq.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/net_namespace.h"
#include "tests/support/process.h"
#include "tests/support/scarcity.h"
#include "tests/transport/socket_testing.h"
#include "transport/socket_options.h"

namespace pcap_zmq::testing {
namespace {

class ConnectionLimitTest : public SocketTest {
 protected:
  // A sender with the address of its choice.
  ZmqSocketHandle ConnectFrom(const std::string& address) {
    ZmqSocketHandle socket(zmq_socket(context_->handle(), ZMQ_PUSH));
    SetOption(socket.get(), ZMQ_LINGER, 0);
    SetOption(socket.get(), ZMQ_IPV6, 1);
    EXPECT_EQ(zmq_connect(socket.get(), ("tcp://[" + address + "]:0;[::1]" + port_).c_str()), 0);
    return socket;
  }

  int64_t Inside() const { return stats_.connections.connected_peers.Value(); }
  uint64_t Refused() const { return stats_.connections.refused.Value(ConnectionRefusal::kLimit); }

  std::string port_;
};

TEST_F(ConnectionLimitTest, OneNetworkOfIpv6LeavesAnEighthOfThePlacesToOthers) {
  if (const Status entered = EnterPrivateNetwork(); !entered.ok()) {
    GTEST_SKIP() << entered.error().message;
  }
  std::vector<std::string> addresses;
  std::string commands;
  for (int i = 1; i <= 8; ++i) {
    addresses.push_back("2001:db8:1:2:" + std::to_string(i) + "::5");
    commands += "address add " + addresses.back() + "/128 dev lo nodad\n";
  }
  commands += "address add 2001:db8:1:3::5/128 dev lo nodad\n";
  if (const Status added = RunOrFail({"ip", "-6", "-batch", "-"}, commands); !added.ok()) {
    GTEST_SKIP() << added.error().message;
  }
  ::testing::internal::CaptureStderr();
  PullOptions options;
  options.endpoint = "tcp://[::1]:*";
  options.max_connections = 8;
  const auto pull = BindOrFail(options);
  ASSERT_NE(pull, nullptr);
  port_ = pull->bound_endpoint().substr(pull->bound_endpoint().rfind(':'));
  std::vector<ZmqSocketHandle> from_one;
  const auto connect_all = [&] {
    for (const std::string& address : addresses) {
      from_one.push_back(ConnectFrom(address));
    }
  };
  connect_all();
  ASSERT_TRUE(WaitUntil([&] { return Refused() >= 1 && Inside() == 7; }));
  const auto other = ConnectFrom("2001:db8:1:3::5");
  EXPECT_TRUE(WaitUntil([&] { return Inside() == 8; }));
  // Those who leave give their places back.
  from_one.clear();
  EXPECT_TRUE(WaitUntil([&] { return Inside() == 1; }));
  connect_all();
  EXPECT_TRUE(WaitUntil([&] { return Inside() == 8; }));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("turned away 2001:db8:1:2:"), std::string::npos) << log;
  EXPECT_NE(log.find("::5: "), std::string::npos) << "the whole address: " << log;
}

TEST_F(ConnectionLimitTest, AGuardWithoutAThreadIsAnError) {
  PullOptions options;
  options.endpoint = kAnyPort;
  auto pull = PullSocket::Bind(*context_, options, &stats_);
  ASSERT_TRUE(pull.ok()) << pull.error().message;
  const NoNewThreads none;
  const Status guarded = pull.value()->StartGuard();
  ASSERT_FALSE(guarded.ok());
  EXPECT_EQ(guarded.error().kind, ErrorKind::kRuntime);
}

TEST_F(ConnectionLimitTest, AGuardWithoutADescriptorIsAnError) {
  const NoNewDescriptors none;
  const auto guard = ConnectionGuard::Prepare(*context_, nullptr, 8, &stats_.connections);
  ASSERT_FALSE(guard.ok());
  EXPECT_NE(guard.error().message.find("eventfd"), std::string::npos) << guard.error().message;
}

}  // namespace
}  // namespace pcap_zmq::testing
