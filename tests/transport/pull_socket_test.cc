// SPDX-License-Identifier: MIT
#include "transport/pull_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <string>
#include <thread>

#include "base/stop_event.h"
#include "base/unique_fd.h"
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

  bool WaitForPeers(PullSocket* pull, int64_t count) {
    return WaitUntil([&] {
      pull->PollConnections();
      return stats_.connected_peers.Value() == count;
    });
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
  ASSERT_TRUE(WaitForPeers(pull.get(), 2));
  ASSERT_EQ(Send(good.get(), FrameBytes(1, 10'000)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(1, 10'000)) << "the limit itself is allowed";
  ASSERT_EQ(Send(bad.get(), FrameBytes(2, 10'001)), SendOutcome::kAccepted);
  ASSERT_TRUE(WaitUntil([&] {
    pull->PollConnections();
    return stats_.disconnects.Value() >= 1;
  }));
  for (uint64_t i = 3; i < 50; ++i) {
    ASSERT_EQ(Send(good.get(), FrameBytes(i, 5000)), SendOutcome::kAccepted);
    EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 5000));
  }
}

TEST_F(PullSocketTest, CountsPeersAndThoseWhoLeft) {
  const auto pull = BindOrFail();
  auto first = ConnectOrFail(pull->bound_endpoint());
  EXPECT_TRUE(WaitForPeers(pull.get(), 1));
  auto second = ConnectOrFail(pull->bound_endpoint());
  EXPECT_TRUE(WaitForPeers(pull.get(), 2));
  EXPECT_EQ(stats_.disconnects.Value(), 0U);
  first.reset();
  EXPECT_TRUE(WaitForPeers(pull.get(), 1));
  EXPECT_EQ(stats_.disconnects.Value(), 1U);
  second.reset();
  EXPECT_TRUE(WaitForPeers(pull.get(), 0));
  EXPECT_EQ(stats_.disconnects.Value(), 2U);
}

// Connects, hears ZeroMQ's greeting and leaves.
void PassBy(const std::string& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const timeval patience{kGenerously.count() / 1000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  char greeting = 0;
  ASSERT_EQ(::recv(fd.get(), &greeting, 1, 0), 1);
}

TEST_F(PullSocketTest, MoreConnectionsThanAnyoneLooksAtDoNotStopTheWire) {
  const auto pull = BindOrFail();
  const auto push = ConnectOrFail(pull->bound_endpoint());
  // More events than ZeroMQ's queues hold by default, none of them polled for.
  constexpr uint64_t kPassersBy = 1500;
  for (uint64_t i = 0; i < kPassersBy; ++i) {
    ASSERT_NO_FATAL_FAILURE(PassBy(pull->bound_endpoint())) << i;
  }
  ASSERT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(1, 100));
  EXPECT_TRUE(WaitForPeers(pull.get(), 1));
  EXPECT_EQ(stats_.disconnects.Value(), kPassersBy);
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
