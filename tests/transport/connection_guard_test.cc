// SPDX-License-Identifier: MIT
#include "transport/connection_guard.h"

#include <gtest/gtest.h>
#include <zmq.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/transport/socket_testing.h"
#include "transport/socket_options.h"

namespace pcap_zmq::testing {
namespace {

// A receiver with keys, and senders of all sorts.
class ConnectionGuardTest : public SocketTest {
 protected:
  void SetUp() override {
    server_keys_ = MakeCurveKeys().Take();
    ASSERT_TRUE(authorized_.Refresh().ok());
    pull_ = BindWithKeys();
    ASSERT_NE(pull_, nullptr);
  }

  std::unique_ptr<PullSocket> BindWithKeys() {
    PullOptions options;
    options.endpoint = endpoint_;
    options.keys = server_keys_;
    options.authorized = &authorized_;
    auto pull = BindOrFail(options);
    if (pull != nullptr) {
      endpoint_ = pull->bound_endpoint();
    }
    return pull;
  }

  CurveKeyPair Authorize(const std::string& name) {
    CurveKeyPair keys = MakeCurveKeys().Take();
    keys_dir_.Write(name + ".pub", keys.public_key);
    return keys;
  }
  void Revoke(const std::string& name) { std::filesystem::remove(keys_dir_.File(name + ".pub")); }

  std::unique_ptr<PushSocket> ConnectWith(std::optional<CurveClientKeys> keys) {
    PushOptions options;
    options.endpoint = endpoint_;
    options.keys = std::move(keys);
    return ConnectOrFail(options);
  }
  std::unique_ptr<PushSocket> ConnectAs(const CurveKeyPair& own) {
    return ConnectWith(CurveClientKeys{own, server_keys_.public_key});
  }

  uint64_t Refused(ConnectionRefusal refusal) const {
    return stats_.connections.refused.Value(refusal);
  }
  // Until the receiver has turned `push` away twice, so that it is clear that it tries again.
  bool IsTurnedAway(PushSocket* push, ConnectionRefusal refusal) {
    return WaitUntil([&] {
      push->PollConnections(clock_.MonotonicNow());
      return Refused(refusal) >= 2 && push->handshake_failures() >= 1;
    });
  }
  bool NothingArrives() {
    Frame frame;
    return !pull_->Receive(&frame) || frame.data() == nullptr;
  }
  bool Arrives(PushSocket* push, uint64_t number) {
    return Send(push, FrameBytes(number, 100)) == SendOutcome::kAccepted &&
           ReceiveBytes(pull_.get()) == FrameBytes(number, 100);
  }
  // A sender calls PollConnections() all the time.
  bool Connects(PushSocket* push) {
    return WaitUntil([&] {
      push->PollConnections(clock_.MonotonicNow());
      return push->connected();
    });
  }

  const SystemClock clock_;
  TempDir keys_dir_;
  AuthorizedKeys authorized_{keys_dir_.path()};
  CurveKeyPair server_keys_;
  std::string endpoint_ = kAnyPort;
  std::unique_ptr<PullSocket> pull_;
};

TEST_F(ConnectionGuardTest, AnAuthorizedSenderIsLetInUnderItsFilesName) {
  const auto first = ConnectAs(Authorize("gw-1"));
  const auto second = ConnectAs(Authorize("gw-2"));
  ASSERT_TRUE(WaitUntil([&] { return stats_.connections.authorized_keys.Value() == 2; }));
  ASSERT_TRUE(Arrives(first.get(), 1));
  EXPECT_EQ(pull_->sender_key().name, "gw-1");
  ASSERT_TRUE(Arrives(second.get(), 2));
  EXPECT_EQ(pull_->sender_key().name, "gw-2");
  ASSERT_TRUE(Arrives(first.get(), 3));
  EXPECT_EQ(pull_->sender_key().name, "gw-1");
  EXPECT_TRUE(Connects(first.get()));
}

TEST_F(ConnectionGuardTest, AnUnknownKeyDeliversNothingIsCountedAndTriesAgain) {
  const auto push = ConnectAs(MakeCurveKeys().Take());
  ASSERT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  EXPECT_TRUE(IsTurnedAway(push.get(), ConnectionRefusal::kUnknownKey));
  EXPECT_FALSE(push->connected());
  EXPECT_TRUE(NothingArrives());
  EXPECT_EQ(push->released().frames, 0U) << "what waits for a receiver must go on waiting";
}

TEST_F(ConnectionGuardTest, WhatWaitedIsDeliveredOnceTheKeyIsAdded) {
  const CurveKeyPair own = MakeCurveKeys().Take();
  const auto push = ConnectAs(own);
  ASSERT_EQ(Send(push.get(), FrameBytes(1, 100)), SendOutcome::kAccepted);
  ASSERT_TRUE(IsTurnedAway(push.get(), ConnectionRefusal::kUnknownKey));
  keys_dir_.Write("late.pub", own.public_key);
  EXPECT_EQ(ReceiveBytes(pull_.get()), FrameBytes(1, 100));
  EXPECT_EQ(pull_->sender_key().name, "late");
}

TEST_F(ConnectionGuardTest, ARemovedSenderIsCutOffAndItsNeighbourStays) {
  const auto removed = ConnectAs(Authorize("removed"));
  const auto neighbour = ConnectAs(Authorize("neighbour"));
  ASSERT_TRUE(Arrives(removed.get(), 1));
  ASSERT_TRUE(Arrives(neighbour.get(), 2));
  Revoke("removed");
  ASSERT_TRUE(WaitUntil([&] { return authorized_.names()->size() == 1; }));
  // As a sender does, which reports once a second.
  Frame frame;
  EXPECT_TRUE(WaitUntil([&] {
    Send(removed.get(), FrameBytes(3, 100));
    removed->PollConnections(clock_.MonotonicNow());
    return !pull_->Receive(&frame) && !removed->connected() &&
           Refused(ConnectionRefusal::kUnknownKey) > 0;
  }));
  EXPECT_GT(stats_.rejected_frames.Value(RejectReason::kRevoked), 0U);
  EXPECT_TRUE(Arrives(neighbour.get(), 4));
  EXPECT_EQ(pull_->sender_key().name, "neighbour");
}

TEST_F(ConnectionGuardTest, ASenderWithoutKeysDeliversNothingAndIsCounted) {
  const auto push = ConnectWith(std::nullopt);
  Send(push.get(), FrameBytes(1, 100));
  EXPECT_TRUE(WaitUntil([&] {
    push->PollConnections(clock_.MonotonicNow());
    return push->handshake_failures() >= 2 &&
           Refused(ConnectionRefusal::kMechanism) + Refused(ConnectionRefusal::kIncomplete) >= 2;
  })) << "it must try again, though ZeroMQ gives up";
  EXPECT_FALSE(push->connected());
  EXPECT_TRUE(NothingArrives());
  EXPECT_NE(Send(push.get(), FrameBytes(2, 100)), SendOutcome::kAccepted)
      << "what cannot be delivered is refused, not swallowed";
}

TEST_F(ConnectionGuardTest, ASenderWithoutKeysIsServedOnceTheReceiverHasNoneEither) {
  const auto push = ConnectWith(std::nullopt);
  ASSERT_TRUE(WaitUntil([&] {
    push->PollConnections(clock_.MonotonicNow());
    return push->handshake_failures() >= 2;
  }));
  pull_.reset();
  pull_ = BindAgain(endpoint_);
  ASSERT_NE(pull_, nullptr);
  ASSERT_TRUE(Connects(push.get()));
  EXPECT_TRUE(WaitUntil([&] {
    push->PollConnections(clock_.MonotonicNow());
    return Send(push.get(), FrameBytes(5, 100)) == SendOutcome::kAccepted;
  }));
  EXPECT_EQ(ReceiveBytes(pull_.get()), FrameBytes(5, 100));
  // From now on frames wait again while the receiver is away.
  ASSERT_TRUE(Connects(push.get()));
  pull_.reset();
  ASSERT_TRUE(WaitUntil([&] {
    push->PollConnections(clock_.MonotonicNow());
    return !push->connected();
  }));
  EXPECT_EQ(Send(push.get(), FrameBytes(6, 100)), SendOutcome::kAccepted);
}

TEST_F(ConnectionGuardTest, ASenderThatExpectsAnotherReceiverIsCounted) {
  const auto push =
      ConnectWith(CurveClientKeys{Authorize("gw-1"), MakeCurveKeys().value().public_key});
  Send(push.get(), FrameBytes(1, 100));
  EXPECT_TRUE(WaitUntil([&] {
    push->PollConnections(clock_.MonotonicNow());
    return Refused(ConnectionRefusal::kProtocol) + Refused(ConnectionRefusal::kIncomplete) >= 2 &&
           push->handshake_failures() >= 2;
  }));
  EXPECT_TRUE(NothingArrives());
}

TEST_F(ConnectionGuardTest, ASenderWithKeysSendsNothingToAReceiverWithout) {
  const auto plain = BindOrFail();
  PushOptions options;
  options.endpoint = plain->bound_endpoint();
  options.keys = CurveClientKeys{Authorize("gw-1"), server_keys_.public_key};
  const auto push = ConnectOrFail(options);
  Send(push.get(), FrameBytes(1, 100));
  EXPECT_TRUE(WaitUntil([&] {
    push->PollConnections(clock_.MonotonicNow());
    return push->handshake_failures() >= 2;
  }));
  Frame frame;
  EXPECT_FALSE(plain->Receive(&frame));
}

TEST_F(ConnectionGuardTest, APeerThatLeavesDuringTheHandshakeIsCounted) {
  const auto plain = BindOrFail();
  const uint64_t before = Refused(ConnectionRefusal::kIncomplete);
  ASSERT_NO_FATAL_FAILURE(PassBy(plain->bound_endpoint()));
  EXPECT_TRUE(WaitUntil([&] { return Refused(ConnectionRefusal::kIncomplete) > before; }));
}

TEST_F(ConnectionGuardTest, WhoComesAtTheLimitIsTurnedAwayAndComesInWhenOthersHaveLeft) {
  PullOptions options;
  options.endpoint = kAnyPort;
  options.max_connections = 2;
  const auto pull = BindOrFail(options);
  auto first = ConnectOrFail(pull->bound_endpoint());
  const auto second = ConnectOrFail(pull->bound_endpoint());
  ASSERT_TRUE(WaitUntil([&] { return stats_.connections.connected_peers.Value() == 2; }));
  EXPECT_EQ(Refused(ConnectionRefusal::kLimit), 0U);
  const auto third = ConnectOrFail(pull->bound_endpoint());
  ASSERT_TRUE(WaitUntil([&] { return Refused(ConnectionRefusal::kLimit) >= 2; }));
  EXPECT_EQ(stats_.connections.connected_peers.Value(), 2);
  // Those inside are served as before.
  for (uint64_t i = 10; i < 50; ++i) {
    ASSERT_EQ(Send(i % 2 == 0 ? first.get() : second.get(), FrameBytes(i, 100)),
              SendOutcome::kAccepted);
    EXPECT_EQ(ReceiveBytes(pull.get()), FrameBytes(i, 100));
  }
  first.reset();
  // Without keys what it sends until then may be lost with a connection that is cut off.
  Frame frame;
  EXPECT_TRUE(WaitUntil([&] {
    Send(third.get(), FrameBytes(3, 100));
    return pull->Receive(&frame);
  }));
}

TEST_F(ConnectionGuardTest, OneAddressLeavesAnEighthOfThePlacesToOthers) {
  PullOptions options;
  options.endpoint = kAnyPort;
  options.max_connections = 8;
  const auto pull = BindOrFail(options);
  std::vector<std::unique_ptr<PushSocket>> from_here;
  for (int i = 0; i < 8; ++i) {
    from_here.push_back(ConnectOrFail(pull->bound_endpoint()));
  }
  ASSERT_TRUE(WaitUntil([&] { return Refused(ConnectionRefusal::kLimit) >= 1; }));
  EXPECT_EQ(stats_.connections.connected_peers.Value(), 7);
  const ZmqSocketHandle other(zmq_socket(context_->handle(), ZMQ_PUSH));
  SetOption(other.get(), ZMQ_LINGER, 0);
  const std::string port = pull->bound_endpoint().substr(pull->bound_endpoint().rfind(':'));
  ASSERT_EQ(zmq_connect(other.get(), ("tcp://127.0.0.2:0;127.0.0.1" + port).c_str()), 0);
  EXPECT_TRUE(WaitUntil([&] { return stats_.connections.connected_peers.Value() == 8; }));
}

TEST_F(ConnectionGuardTest, ASenderTurnedAwayAtTheLimitLosesNothingWhereThereAreKeys) {
  pull_.reset();
  PullOptions options;
  options.endpoint = kAnyPort;
  options.keys = server_keys_;
  options.authorized = &authorized_;
  options.max_connections = 1;
  ASSERT_TRUE(WaitUntil([&] {
    auto bound = PullSocket::Bind(*context_, options, &stats_);
    pull_ = bound.ok() ? WithGuard(bound.Take()) : nullptr;
    return pull_ != nullptr;
  }));
  endpoint_ = pull_->bound_endpoint();
  auto inside = ConnectAs(Authorize("inside"));
  ASSERT_TRUE(Arrives(inside.get(), 1));
  const auto outside = ConnectAs(Authorize("outside"));
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_EQ(Send(outside.get(), FrameBytes(i, 100)), SendOutcome::kAccepted);
  }
  ASSERT_TRUE(WaitUntil([&] { return Refused(ConnectionRefusal::kLimit) >= 3; }));
  inside.reset();
  for (uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(ReceiveBytes(pull_.get()), FrameBytes(i, 100));
  }
}

TEST_F(ConnectionGuardTest, AContextHasOneGuardThatAsksForKeys) {
  PullOptions options;
  options.endpoint = kAnyPort;
  options.keys = server_keys_;
  options.authorized = &authorized_;
  const auto second = PullSocket::Bind(*context_, options, &stats_);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("cannot authenticate"), std::string::npos);
}

}  // namespace
}  // namespace pcap_zmq::testing
