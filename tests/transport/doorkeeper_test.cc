// SPDX-License-Identifier: MIT
#include "transport/doorkeeper.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/transport/socket_testing.h"

namespace pcap_zmq::testing {
namespace {

class DoorkeeperTest : public SocketTest {
 protected:
  std::unique_ptr<PullSocket> BindWithLimit(size_t connections,
                                            const std::string& endpoint = kAnyPort) {
    PullOptions options;
    options.endpoint = endpoint;
    options.max_connections = connections;
    return BindOrFail(options);
  }

  bool WaitForPeers(int64_t count) {
    return WaitUntil([&] { return stats_.connections.connected_peers.Value() == count; });
  }

  bool WaitForHits(uint64_t count) {
    return WaitUntil([&] { return stats_.connections.limit_hits.Value() == count; });
  }
};

TEST_F(DoorkeeperTest, WhoComesAtTheLimitComesInWhenOthersHaveLeft) {
  const auto pull = BindWithLimit(2);
  auto first = ConnectOrFail(pull->bound_endpoint());
  ASSERT_TRUE(WaitForPeers(1));
  EXPECT_EQ(stats_.connections.limit_hits.Value(), 0U);
  auto second = ConnectOrFail(pull->bound_endpoint());
  ASSERT_TRUE(WaitForPeers(2));
  ASSERT_TRUE(WaitForHits(1));

  const auto third = ConnectOrFail(pull->bound_endpoint());
  ASSERT_EQ(Send(third.get(), FrameBytes(3, 100)), SendOutcome::kAccepted);
  // Those inside are served as before, and the one outside is not.
  for (uint64_t i = 10; i < 50; ++i) {
    ASSERT_EQ(Send(i % 2 == 0 ? first.get() : second.get(), FrameBytes(i, 100)),
              SendOutcome::kAccepted);
    EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 100));
  }
  first.reset();
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(3, 100));
  EXPECT_TRUE(WaitForHits(2));
}

TEST_F(DoorkeeperTest, SocketsInTheFileSystemHaveNoDoor) {
  const auto pull = BindWithLimit(1, LonelyEndpoint());
  std::vector<std::unique_ptr<PushSocket>> peers;
  for (uint64_t i = 0; i < 3; ++i) {
    peers.push_back(ConnectOrFail(pull->bound_endpoint()));
    ASSERT_EQ(Send(peers.back().get(), FrameBytes(i, 100)), SendOutcome::kAccepted);
    EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 100));
  }
  EXPECT_TRUE(WaitForPeers(3));
  EXPECT_EQ(stats_.connections.limit_hits.Value(), 0U);
}

TEST_F(DoorkeeperTest, NothingIsShutBeforeThereIsADoor) {
  Doorkeeper doorkeeper(1, &stats_.connections);
  doorkeeper.Look(100);
  EXPECT_EQ(stats_.connections.limit_hits.Value(), 0U);
}

}  // namespace
}  // namespace pcap_zmq::testing
