// SPDX-License-Identifier: MIT
// Twin of none: both ends of the wire against each other.
//
// Frames from one end of the wire to the other.
#include <gtest/gtest.h>

#include "tests/support/ipv6.h"
#include "tests/transport/socket_testing.h"

namespace pcap_zmq::testing {
namespace {

class PushPull : public SocketTest {
 protected:
  // Sends `count` frames of growing size and expects them in order, byte for byte.
  void ExpectFramesArrive(PushSocket* push, PullSocket* pull, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      ASSERT_EQ(Send(push, FrameBytes(i, 1 + i * 97 % 9000)), SendOutcome::kAccepted);
    }
    for (uint64_t i = 0; i < count; ++i) {
      ASSERT_EQ(ReceiveBytes(pull), FrameBytes(i, 1 + i * 97 % 9000)) << "frame " << i;
    }
  }
};

TEST_F(PushPull, FramesArriveByteForByteInOrderOverTcp) {
  const auto pull = BindOrFail();
  const auto push = ConnectOrFail(pull->bound_endpoint());
  ExpectFramesArrive(push.get(), pull.get(), 500);
}

TEST_F(PushPull, FramesArriveByteForByteInOrderOverIpc) {
  const auto pull = BindOrFail(LonelyEndpoint());
  EXPECT_EQ(pull->bound_endpoint(), LonelyEndpoint());
  const auto push = ConnectOrFail(LonelyEndpoint());
  ExpectFramesArrive(push.get(), pull.get(), 500);
}

TEST_F(PushPull, FramesArriveOverIpv6) {
  if (!CanBindIpv6(in6addr_loopback)) {
    GTEST_SKIP() << "this host has no IPv6 loopback";
  }
  const auto pull = BindOrFail("tcp://[::1]:*");
  ASSERT_NE(pull, nullptr);
  const auto push = ConnectOrFail(pull->bound_endpoint());
  ExpectFramesArrive(push.get(), pull.get(), 50);
}

TEST_F(PushPull, AReceiverOnAllIpv6AddressesHearsIpv4Too) {
  if (!CanBindIpv6(in6addr_any)) {
    GTEST_SKIP() << "this host has no IPv6";
  }
  const auto pull = BindOrFail("tcp://[::]:*");
  ASSERT_NE(pull, nullptr);
  const std::string& bound = pull->bound_endpoint();
  const auto push = ConnectOrFail("tcp://127.0.0.1" + bound.substr(bound.rfind(':')));
  ExpectFramesArrive(push.get(), pull.get(), 50);
}

TEST_F(PushPull, WhatWasSentBeforeTheReceiverCameArrives) {
  const auto push = ConnectOrFail(LonelyEndpoint());
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 100)), SendOutcome::kAccepted);
  }
  EXPECT_EQ(BufferedFrames(*push), 100U);
  const auto pull = BindOrFail(LonelyEndpoint());
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 100));
  }
}

TEST_F(PushPull, NothingIsBufferedOnceEverythingWasDelivered) {
  const auto pull = BindOrFail();
  const auto push = ConnectOrFail(pull->bound_endpoint());
  for (uint64_t i = 0; i < 50; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 1000), 3), SendOutcome::kAccepted);
  }
  for (uint64_t i = 0; i < 50; ++i) {
    ReceiveBytes(pull.get());
  }
  EXPECT_TRUE(WaitUntil([&] { return push->Delivered(); }));
  EXPECT_EQ(push->accepted().frames, 50U);
  EXPECT_EQ(push->accepted().packets, 150U);
  EXPECT_EQ(push->accepted().bytes, 50'000U);
  EXPECT_EQ(push->released().frames, 50U);
  EXPECT_EQ(push->released().packets, 150U);
  EXPECT_EQ(push->released().bytes, 50'000U);
}

TEST_F(PushPull, IsDeliveredOnlyOnceTheReceiversHostHasEverything) {
  // More than both kernels buffer, so that it takes a receiver that reads.
  constexpr uint64_t kFrames = 400;
  PullOptions options;
  options.endpoint = kAnyPort;
  options.buffer_frames = 10;
  const auto pull = BindOrFail(options);
  const auto push = ConnectOrFail(pull->bound_endpoint());
  EXPECT_TRUE(WaitUntil([&] { return push->Delivered(); })) << "nothing but ZeroMQ's own greeting";
  const Bytes bytes = FrameBytes(1, 64 * 1024);
  for (uint64_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(Send(push.get(), bytes), SendOutcome::kAccepted);
  }
  ASSERT_TRUE(WaitUntil([&] { return push->released().frames > 0; }));
  EXPECT_FALSE(push->Delivered());
  for (uint64_t i = 0; i < kFrames; ++i) {
    ReceiveBytes(pull.get());
  }
  EXPECT_TRUE(WaitUntil([&] { return push->Delivered(); }));
}

TEST_F(PushPull, AReceiverThatRestartsOnTheSamePortGetsWhatFollows) {
  auto pull = BindOrFail();
  const std::string endpoint = pull->bound_endpoint();
  const auto push = ConnectOrFail(endpoint);
  ASSERT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(1, 100));
  ASSERT_TRUE(WaitUntil([&] { return push->Delivered(); }));
  pull.reset();
  ASSERT_TRUE(WaitUntil([&] {
    push->PollConnections(0);
    return !push->connected();
  }));
  ASSERT_EQ(Send(push.get(), FrameBytes(2, 100)), SendOutcome::kAccepted);
  pull = BindAgain(endpoint);
  ASSERT_NE(pull, nullptr);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(2, 100));
  ASSERT_EQ(Send(push.get(), FrameBytes(3, 100)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(3, 100));
}

TEST_F(PushPull, SendersAreHeardInTurnAndEachInOrder) {
  constexpr uint64_t kSenders = 3;
  constexpr uint64_t kFrames = 200;
  const auto pull = BindOrFail();
  std::vector<std::unique_ptr<PushSocket>> senders;
  for (uint64_t sender = 0; sender < kSenders; ++sender) {
    senders.push_back(ConnectOrFail(pull->bound_endpoint()));
    for (uint64_t i = 0; i < kFrames; ++i) {
      ASSERT_EQ(Send(senders.back().get(), FrameBytes(sender * kFrames + i, 50)),
                SendOutcome::kAccepted);
    }
  }
  std::vector<uint64_t> next(kSenders, 0);
  for (uint64_t i = 0; i < kSenders * kFrames; ++i) {
    const Bytes bytes = ReceiveBytes(pull.get());
    ASSERT_EQ(bytes.size(), 50U);
    const auto number = LoadNative<uint64_t>(bytes.data());
    ASSERT_LT(number, kSenders * kFrames);
    EXPECT_EQ(bytes, FrameBytes(number, 50));
    EXPECT_EQ(number % kFrames, next[number / kFrames]++);
  }
}

TEST_F(PushPull, CloseWithLingerDeliversTheRest) {
  const auto pull = BindOrFail();
  auto push = ConnectOrFail(pull->bound_endpoint());
  for (uint64_t i = 0; i < 300; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 64 * 1024)), SendOutcome::kAccepted);
  }
  push->Close(30 * kNanosPerSecond);
  push.reset();
  for (uint64_t i = 0; i < 300; ++i) {
    ASSERT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 64 * 1024)) << i;
  }
}

TEST_F(PushPull, CloseWithoutLingerGivesUpWhatNobodyTookAndFreesIt) {
  auto push = ConnectOrFail(LonelyEndpoint());
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 1000)), SendOutcome::kAccepted);
  }
  push->Close(0);
  EXPECT_EQ(push->accepted().frames, 10U);
  context_.reset();  // returns: nothing lingers
  EXPECT_EQ(push->released().frames, 10U);
}

TEST_F(PushPull, AContextEndsThoughAPeerComesAndGoesWhileTheSenderLingers) {
  // The I/O thread reports connections to nobody then, and must not wait for a reader.
  auto push = ConnectOrFail(LonelyEndpoint());
  ASSERT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  push->Close(30 * kNanosPerSecond);
  ZmqContext receiving(1);
  PullOptions options;
  options.endpoint = LonelyEndpoint();
  auto pull = PullSocket::Bind(receiving, options, &stats_);
  ASSERT_TRUE(pull.ok()) << pull.error().message;
  EXPECT_EQ(ReceiveBytes(pull.value().get()), FrameBytes(1, 100));
  context_.reset();
}

}  // namespace
}  // namespace pcap_zmq::testing
