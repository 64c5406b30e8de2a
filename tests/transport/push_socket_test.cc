// SPDX-License-Identifier: MIT
#include "transport/push_socket.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/support/heap.h"
#include "tests/transport/socket_testing.h"

namespace pcap_zmq::testing {
namespace {

class PushSocketTest : public SocketTest {
 protected:
  Error RefusalOf(const std::string& endpoint) {
    PushOptions options;
    options.endpoint = endpoint;
    const auto push = PushSocket::Connect(*context_, options);
    if (push.ok()) {
      ADD_FAILURE() << "connected to " << endpoint;
      return {};
    }
    EXPECT_EQ(push.error().message.find('\n'), std::string::npos) << push.error().message;
    return push.error();
  }
};

TEST_F(PushSocketTest, WhileNobodyReceivesItTakesItsNumberOfFrames) {
  PushOptions options;
  options.endpoint = LonelyEndpoint();
  options.buffer_frames = 25;
  const auto push = ConnectOrFail(options);
  for (uint64_t i = 0; i < 25; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 100)), SendOutcome::kAccepted) << i;
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Send(push.get(), FrameBytes(99, 100)), SendOutcome::kFull);
  }
  EXPECT_EQ(push->accepted().frames, 25U);
  EXPECT_EQ(push->released().frames, 0U) << "frames that were refused are not counted";
  EXPECT_FALSE(push->Delivered());
}

TEST_F(PushSocketTest, TheNumberOfFramesHoldsOverTcpToo) {
  std::string endpoint;
  {
    const auto pull = BindOrFail();
    endpoint = pull->bound_endpoint();
  }
  PushOptions options;
  options.endpoint = endpoint;
  options.buffer_frames = 25;
  const auto push = ConnectOrFail(options);
  int accepted = 0;
  while (accepted < 100 && Send(push.get(), FrameBytes(1, 100)) == SendOutcome::kAccepted) {
    ++accepted;
  }
  EXPECT_EQ(accepted, 25);
}

TEST_F(PushSocketTest, WhileNobodyReceivesItTakesItsNumberOfBytes) {
  PushOptions options;
  options.endpoint = LonelyEndpoint();
  options.buffer_bytes = 10'000;
  const auto push = ConnectOrFail(options);
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_EQ(Send(push.get(), FrameBytes(i, 1000)), SendOutcome::kAccepted) << i;
  }
  EXPECT_EQ(Send(push.get(), FrameBytes(99, 1)), SendOutcome::kFullBytes);
  EXPECT_EQ(push->accepted().bytes, 10'000U);
  EXPECT_EQ(push->accepted().frames, 10U);
}

TEST_F(PushSocketTest, WhatWaitsTakesNoMoreMemoryThanItsNumberOfBytes) {
  const std::optional<size_t> before = HeapBytes();
  if (!before.has_value()) {
    GTEST_SKIP() << kHeapUnknown;
  }
  constexpr size_t kMiB = 1024 * 1024;
  PushOptions options;
  options.endpoint = LonelyEndpoint();
  options.buffer_bytes = 4 * kMiB;
  const auto push = ConnectOrFail(options);
  // Each is less than half full.
  FramePool pool(128 * 1024);
  uint64_t accepted = 0;
  SendOutcome outcome = SendOutcome::kAccepted;
  while (outcome == SendOutcome::kAccepted && accepted < 1000) {
    outcome = push->Send(pool.Allocate(50'000));
    accepted += outcome == SendOutcome::kAccepted ? 1 : 0;
  }
  EXPECT_EQ(outcome, SendOutcome::kFullBytes);
  EXPECT_GE(accepted, 3 * kMiB / 50'000);
  EXPECT_LE(*HeapBytes(), *before + 5 * kMiB);
}

TEST_F(PushSocketTest, AFrameAboveTheWholeByteBudgetPassesAlone) {
  PushOptions options;
  options.endpoint = LonelyEndpoint();
  options.buffer_bytes = 1000;
  const auto push = ConnectOrFail(options);
  EXPECT_EQ(Send(push.get(), FrameBytes(1, 50'000)), SendOutcome::kAccepted);
  EXPECT_EQ(Send(push.get(), FrameBytes(2, 60)), SendOutcome::kFullBytes);
  const auto pull = BindOrFail(LonelyEndpoint());
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(1, 50'000));
  ASSERT_TRUE(WaitUntil([&] { return BufferedFrames(*push) == 0; }));
  EXPECT_EQ(Send(push.get(), FrameBytes(3, 60)), SendOutcome::kAccepted);
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(3, 60));
}

TEST_F(PushSocketTest, TakesFramesAgainOnceAReceiverHasComeForThem) {
  PushOptions options;
  options.endpoint = LonelyEndpoint();
  options.buffer_frames = 5;
  const auto push = ConnectOrFail(options);
  uint64_t sent = 0;
  while (Send(push.get(), FrameBytes(sent, 100)) == SendOutcome::kAccepted) {
    ++sent;
  }
  const auto pull = BindOrFail(LonelyEndpoint());
  for (uint64_t i = 0; i < sent; ++i) {
    EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 100));
  }
  EXPECT_TRUE(
      WaitUntil([&] { return Send(push.get(), FrameBytes(77, 100)) == SendOutcome::kAccepted; }));
  EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(77, 100));
}

TEST_F(PushSocketTest, KnowsWhetherItIsConnected) {
  const auto push = ConnectOrFail(LonelyEndpoint());
  push->PollConnections(0);
  EXPECT_FALSE(push->connected());
  auto pull = BindOrFail(LonelyEndpoint());
  EXPECT_TRUE(WaitUntil([&] {
    push->PollConnections(0);
    return push->connected();
  }));
  pull.reset();
  EXPECT_TRUE(WaitUntil([&] {
    push->PollConnections(0);
    return !push->connected();
  }));
}

TEST_F(PushSocketTest, TellsItsEndpointAsItWasGiven) {
  EXPECT_EQ(ConnectOrFail("tcp://localhost:1234")->endpoint(), "tcp://localhost:1234");
}

TEST_F(PushSocketTest, EndpointsThatCannotBeParsedAreConfigurationErrorsThatNameThem) {
  for (const std::string endpoint :
       {"nonsense", "tcp:/127.0.0.1:1", "carrier-pigeon://ids:1234", "tcp://127.0.0.1",
        "tcp://127.0.0.1:", "tcp://127.0.0.1:port", "", "ipc://"}) {
    const Error error = RefusalOf(endpoint);
    EXPECT_EQ(error.kind, ErrorKind::kConfig) << endpoint;
    EXPECT_NE(error.message.find("'" + endpoint + "'"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("write it like"), std::string::npos) << error.message;
  }
}

TEST_F(PushSocketTest, AHostThatMayComeToExistIsWaitedFor) {
  PushOptions options;
  options.endpoint = "tcp://" + std::string(70, 'a') + ":1234";  // longer than a label may be
  options.may_be_unknown = true;
  const auto push = ConnectOrFail(options);
  ASSERT_NE(push, nullptr);
  EXPECT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  push->PollConnections(0);
  EXPECT_FALSE(push->connected());
}

TEST_F(PushSocketTest, AHostThatDoesNotExistIsAConfigurationError) {
  const Error error = RefusalOf("tcp://not/a/host:1234");
  EXPECT_EQ(error.kind, ErrorKind::kConfig);
  EXPECT_NE(error.message.find("cannot resolve 'not/a/host'"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace pcap_zmq::testing
