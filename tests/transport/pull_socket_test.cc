// SPDX-License-Identifier: MIT
#include "transport/pull_socket.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
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
  ASSERT_TRUE(pull->StartGuard().ok());
  EXPECT_TRUE(WaitUntil([&] { return stats_.connections.disconnects.Value() == kPassersBy; }));
  EXPECT_TRUE(WaitForPeers(1));
}

// The frames that come out, until nothing more can come.
class LeavingTest : public PullSocketTest {
 protected:
  static std::vector<Bytes> ReceiveUntilAllHaveLeft(PullSocket* pull) {
    std::vector<Bytes> frames;
    EXPECT_TRUE(WaitUntil([&] {
      const bool have_left = pull->SendersLeft();
      Frame frame;
      while (pull->Receive(&frame)) {
        frames.emplace_back(frame.data(), frame.data() + frame.size());
      }
      return have_left;
    }));
    return frames;
  }
};

TEST_F(LeavingTest, WhatSendersHadSentWhenTheyWereAskedToLeaveIsReceived) {
  auto pull = BindOrFail();
  constexpr uint64_t kSenders = 4;
  constexpr uint64_t kFrames = 100;
  // More than a connection's place in ZeroMQ, and no more than TCP takes at once.
  std::vector<std::unique_ptr<PushSocket>> senders;
  for (uint64_t i = 0; i < kSenders; ++i) {
    senders.push_back(ConnectOrFail(pull->bound_endpoint()));
    for (uint64_t frame = 0; frame < kFrames; ++frame) {
      ASSERT_EQ(Send(senders[i].get(), FrameBytes(i * kFrames + frame, 300)),
                SendOutcome::kAccepted);
    }
  }
  ASSERT_TRUE(WaitUntil([&] {
    return std::all_of(senders.begin(), senders.end(),
                       [](const auto& sender) { return BufferedFrames(*sender) == 0; });
  }));
  pull->AskSendersToLeave();
  EXPECT_EQ(ReceiveUntilAllHaveLeft(pull.get()).size(), kSenders * kFrames);
  pollfd left{pull->senders_left_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&left, 1, 0), 1);
}

TEST_F(LeavingTest, ASuccessorGetsWhatCameTooLate) {
  auto pull = BindOrFail();
  const std::string endpoint = pull->bound_endpoint();
  const auto push = ConnectOrFail(endpoint);
  ASSERT_TRUE(WaitForPeers(1));
  std::atomic<bool> on{true};
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> received{0};
  std::thread sending([&] {
    while (on) {
      // As much as ZeroMQ writes at once: what it has written a part of goes with the connection.
      if (sent < received + 20 &&
          Send(push.get(), FrameBytes(sent, 200)) == SendOutcome::kAccepted) {
        ++sent;
      }
    }
  });
  const auto receive = [&](PullSocket* from) {
    Frame frame;
    while (from->Receive(&frame)) {
      EXPECT_EQ(Bytes(frame.data(), frame.data() + frame.size()), FrameBytes(received, 200));
      ++received;
    }
  };
  for (int restart = 0; restart < 3; ++restart) {
    const uint64_t enough = received + 1000;
    EXPECT_TRUE(WaitUntil([&] {
      receive(pull.get());
      return received > enough;
    }));
    pull->AskSendersToLeave();
    EXPECT_TRUE(WaitUntil([&] {
      const bool have_left = pull->SendersLeft();
      receive(pull.get());
      return have_left;
    }));
    pull->Unbind();
    receive(pull.get());
    pull.reset();
    pull = BindAgain(endpoint);
  }
  on = false;
  sending.join();
  EXPECT_TRUE(WaitUntil([&] {
    receive(pull.get());
    return received == sent;
  })) << received
      << " of " << sent;
}

TEST_F(LeavingTest, WithoutSendersThereIsNobodyToWaitFor) {
  for (const std::string& endpoint : {std::string(kAnyPort), LonelyEndpoint()}) {
    const auto pull = BindOrFail(endpoint);
    EXPECT_FALSE(pull->SendersLeft());
    pull->AskSendersToLeave();
    EXPECT_TRUE(ReceiveUntilAllHaveLeft(pull.get()).empty());
  }
}

TEST_F(LeavingTest, AProcessOfThisHostIsAskedLikeAnyOther) {
  const auto pull = BindOrFail(LonelyEndpoint());
  const auto push = ConnectOrFail(LonelyEndpoint());
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 100)), SendOutcome::kAccepted);
  }
  ASSERT_TRUE(WaitUntil([&] { return BufferedFrames(*push) == 0; }));
  pull->AskSendersToLeave();
  EXPECT_EQ(ReceiveUntilAllHaveLeft(pull.get()).size(), 100U);
}

TEST_F(PullSocketTest, TakesInWhatComesWhileTheThreadIsBusyAsFarAsMemoryGoes) {
  const auto pull = BindOrFail();
  // No more than each part may have in any case.
  stats_.memory.SetLimit(0);
  const auto push = ConnectOrFail(pull->bound_endpoint());
  constexpr size_t kSize = 100'000;
  uint64_t sent = 0;
  EXPECT_TRUE(WaitUntil([&] {
    while (sent < 1000 && Send(push.get(), FrameBytes(sent, kSize)) == SendOutcome::kAccepted) {
      ++sent;
    }
    return pull->TakeIn() < 0;
  }));
  const uint64_t held = stats_.memory.Held(MemoryBudget::Holder::kInbox);
  EXPECT_GE(held, MemoryBudget::kLeast);
  EXPECT_LT(held, MemoryBudget::kLeast + 2 * kSize);
  EXPECT_EQ(stats_.memory.Held(MemoryBudget::Holder::kTransport), 3 * kSize);
  for (uint64_t i = 0; i < sent; ++i) {
    ASSERT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, kSize)) << i;
  }
  EXPECT_EQ(stats_.memory.Held(MemoryBudget::Holder::kInbox), 0U);
  EXPECT_GE(pull->TakeIn(), 0);
}

TEST_F(PullSocketTest, AsksOthersForMemoryBeforeItLetsSendersWait) {
  PullOptions options;
  options.endpoint = kAnyPort;
  MemoryShare others;
  options.make_room = [&] {
    const bool had_some = stats_.memory.Held(MemoryBudget::Holder::kQueues) > 0;
    others = MemoryShare();
    return had_some;
  };
  const auto pull = BindOrFail(options);
  constexpr uint64_t kLimit = 4 * MemoryBudget::kLeast;
  stats_.memory.SetLimit(kLimit);
  others = MemoryShare(&stats_.memory, MemoryBudget::Holder::kQueues, kLimit);
  const auto push = ConnectOrFail(pull->bound_endpoint());
  constexpr size_t kSize = 100'000;
  uint64_t sent = 0;
  EXPECT_TRUE(WaitUntil([&] {
    while (sent < 1000 && Send(push.get(), FrameBytes(sent, kSize)) == SendOutcome::kAccepted) {
      ++sent;
    }
    return pull->TakeIn() < 0;
  }));
  EXPECT_EQ(stats_.memory.Held(MemoryBudget::Holder::kQueues), 0U);
  EXPECT_GE(stats_.memory.Total(), kLimit);
  EXPECT_LT(stats_.memory.Total(), kLimit + 2 * kSize);
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
