// SPDX-License-Identifier: MIT
#include "transport/pull_socket.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "base/stop_event.h"
#include "tests/transport/socket_testing.h"

namespace pcap_zmq::testing {
namespace {

class PullSocketTest : public SocketTest {
 protected:
  Error RefusalOf(const std::string& endpoint) {
    PullOptions options;
    options.endpoint = endpoint;
    const auto pull = PullSocket::Bind(*context_, options, &stats_);
    if (pull.ok()) {
      ADD_FAILURE() << "bound " << endpoint;
      return {};
    }
    EXPECT_EQ(pull.error().kind, ErrorKind::kConfig) << endpoint;
    EXPECT_EQ(pull.error().message.find('\n'), std::string::npos) << pull.error().message;
    EXPECT_NE(pull.error().message.find("'" + endpoint + "'"), std::string::npos)
        << pull.error().message;
    return pull.error();
  }

  bool WaitForPeers(int64_t count) {
    return WaitUntil([&] { return stats_.connections.connected_peers.Value() == count; });
  }
};

TEST_F(PullSocketTest, TellsThePortThatItGot) {
  const auto pull = BindOrFail("tcp://127.0.0.1:*");
  EXPECT_TRUE(pull->bound_endpoint().starts_with("tcp://127.0.0.1:"));
  EXPECT_EQ(pull->bound_endpoint().find('*'), std::string::npos);
  const auto other = BindOrFail("tcp://127.0.0.1:0");
  EXPECT_FALSE(other->bound_endpoint().ends_with(":0"));
  EXPECT_NE(other->bound_endpoint(), pull->bound_endpoint());
}

TEST_F(PullSocketTest, HasNothingBeforeSomethingArrives) {
  const auto pull = BindOrFail();
  Frame frame;
  EXPECT_FALSE(pull->Receive(&frame));
  EXPECT_TRUE(frame.empty());
  pull->Wait({}, 0);
  EXPECT_FALSE(pull->Receive(&frame));
}

TEST_F(PullSocketTest, AWaitEndsWhenTheStopIsRequested) {
  const auto pull = BindOrFail();
  StopEvent stop;
  std::thread stopper([&] { stop.Request(0); });
  const int fds[] = {-1, stop.fd()};
  const auto start = std::chrono::steady_clock::now();
  while (!stop.requested()) {
    pull->Wait(fds, 60 * kNanosPerSecond);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, kGenerously);
  stopper.join();
}

TEST_F(PullSocketTest, AFrameOutlivesTheSocketAndTheContext) {
  auto pull = BindOrFail();
  auto push = ConnectOrFail(pull->bound_endpoint());
  // Small ones share memory with others of the same read, large ones have their own.
  std::vector<Frame> frames;
  for (const size_t size : {10U, 100U, 100U, 200'000U}) {
    ASSERT_EQ(Send(push.get(), FrameBytes(frames.size(), size)), SendOutcome::kAccepted);
    auto frame = ReceiveFrame(pull.get());
    ASSERT_TRUE(frame.has_value());
    frames.push_back(std::move(*frame));
  }
  push.reset();
  pull.reset();
  context_.reset();
  std::thread releaser([frames = std::move(frames)]() mutable {
    const size_t sizes[] = {10, 100, 100, 200'000};
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(Bytes(frames[i].data(), frames[i].data() + frames[i].size()),
                FrameBytes(i, sizes[i]));
    }
    frames.clear();
  });
  releaser.join();
}

TEST_F(PullSocketTest, FramesAreReleasedInAnotherThreadWhileMoreArrive) {
  const auto pull = BindOrFail();
  const auto push = ConnectOrFail(pull->bound_endpoint());
  std::vector<std::thread> releasers;
  for (uint64_t round = 0; round < 20; ++round) {
    std::vector<Frame> frames;
    for (uint64_t i = 0; i < 50; ++i) {
      ASSERT_EQ(Send(push.get(), FrameBytes(i, 500)), SendOutcome::kAccepted);
    }
    for (uint64_t i = 0; i < 50; ++i) {
      auto frame = ReceiveFrame(pull.get());
      ASSERT_TRUE(frame.has_value());
      frames.push_back(std::move(*frame));
    }
    releasers.emplace_back([frames = std::move(frames)]() mutable {
      for (uint64_t i = 0; i < frames.size(); ++i) {
        EXPECT_EQ(Bytes(frames[i].data(), frames[i].data() + frames[i].size()), FrameBytes(i, 500));
      }
      frames.clear();
    });
  }
  for (std::thread& releaser : releasers) {
    releaser.join();
  }
}

TEST_F(PullSocketTest, APeerThatSendsTooMuchAtOnceIsCutOffAndItsNeighbourGoesOn) {
  PullOptions options;
  options.endpoint = kAnyPort;
  options.max_message = 10'000;
  const auto pull = BindOrFail(options);
  const auto good = ConnectOrFail(pull->bound_endpoint());
  auto bad = ConnectOrFail(pull->bound_endpoint());
  ASSERT_TRUE(WaitForPeers(2));
  ASSERT_EQ(Send(good.get(), FrameBytes(1, 10'000)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(1, 10'000)) << "the limit itself is allowed";
  ASSERT_EQ(Send(bad.get(), FrameBytes(2, 10'001)), SendOutcome::kAccepted);
  ASSERT_TRUE(WaitUntil([&] { return stats_.connections.disconnects.Value() >= 1; }));
  for (uint64_t i = 3; i < 50; ++i) {
    ASSERT_EQ(Send(good.get(), FrameBytes(i, 5000)), SendOutcome::kAccepted);
    EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 5000));
  }
}

TEST_F(PullSocketTest, CountsPeersAndThoseWhoLeft) {
  const auto pull = BindOrFail();
  auto first = ConnectOrFail(pull->bound_endpoint());
  EXPECT_TRUE(WaitForPeers(1));
  auto second = ConnectOrFail(pull->bound_endpoint());
  EXPECT_TRUE(WaitForPeers(2));
  EXPECT_EQ(stats_.connections.disconnects.Value(), 0U);
  first.reset();
  EXPECT_TRUE(WaitForPeers(1));
  EXPECT_EQ(stats_.connections.disconnects.Value(), 1U);
  second.reset();
  EXPECT_TRUE(WaitForPeers(0));
  EXPECT_EQ(stats_.connections.disconnects.Value(), 2U);
}

TEST_F(PullSocketTest, MoreConnectionsThanAnyoneLooksAtDoNotStopTheWire) {
  PullOptions options;
  options.endpoint = kAnyPort;
  auto bound = PullSocket::Bind(*context_, options, &stats_);
  ASSERT_TRUE(bound.ok()) << bound.error().message;
  const auto pull = bound.Take();
  const auto push = ConnectOrFail(pull->bound_endpoint());
  // More events than ZeroMQ's queues hold by default, while nobody reads them.
  constexpr uint64_t kPassersBy = 1500;
  for (uint64_t i = 0; i < kPassersBy; ++i) {
    ASSERT_NO_FATAL_FAILURE(PassBy(pull->bound_endpoint())) << i;
  }
  ASSERT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(1, 100));
  pull->StartGuard();
  EXPECT_TRUE(WaitUntil([&] { return stats_.connections.disconnects.Value() == kPassersBy; }));
  EXPECT_TRUE(WaitForPeers(1));
}

TEST_F(PullSocketTest, EndpointsThatCannotBeParsedAreConfigurationErrors) {
  for (const char* endpoint : {"nonsense", "carrier-pigeon://ids:1234", "tcp://127.0.0.1",
                               "tcp://127.0.0.1:port", "", "ipc://"}) {
    EXPECT_NE(RefusalOf(endpoint).message.find("write it like"), std::string::npos) << endpoint;
  }
}

TEST_F(PullSocketTest, APortInUseIsToldAsSuch) {
  const auto pull = BindOrFail();
  EXPECT_NE(RefusalOf(pull->bound_endpoint()).message.find("another program listens there"),
            std::string::npos);
}

TEST_F(PullSocketTest, AnAddressOfAnotherHostIsToldAsSuch) {
  EXPECT_NE(RefusalOf("tcp://192.0.2.1:*").message.find("the address is not this host's"),
            std::string::npos);
}

TEST_F(PullSocketTest, ADirectoryThatDoesNotExistIsAConfigurationError) {
  EXPECT_NE(RefusalOf("ipc://" + directory_.File("no/such/socket")).message.find("cannot bind"),
            std::string::npos);
}

}  // namespace
}  // namespace pcap_zmq::testing
