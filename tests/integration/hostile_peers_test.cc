// SPDX-License-Identifier: MIT
//
// What anybody who can connect to the receiver's ports can do without sending a message: it costs
// little, and neither the neighbours nor the outputs notice.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <vector>

#include "tests/integration/hostile_fixture.h"
#include "tests/integration/raw_peer.h"

namespace pcap_zmq::testing {
namespace {

using std::chrono::milliseconds;

class HostilePeers : public HostileTest {
 protected:
  static double Peers() {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_connected_peers");
  }
  static double Disconnects() {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_disconnects_total");
  }

  // A peer that has shaken hands and could send messages.
  static void ShakeHands(const RawPeer& peer) {
    ASSERT_TRUE(peer.Send(ZmtpGreeting()));
    ASSERT_TRUE(peer.Skip(64));
    ASSERT_TRUE(peer.Send(ZmtpReady()));
  }
};

TEST_F(HostilePeers, ThoseWhoSayNothingOrHalfAGreetingAreCutOff) {
  constexpr int kOfEach = 240;
  constexpr int kSlow = 10;
  const std::string greeting = ZmtpGreeting();
  std::deque<RawPeer> peers;
  for (int i = 0; i < 2 * kOfEach + kSlow; ++i) {
    peers.emplace_back(kDataPort);
    ASSERT_TRUE(peers.back().WaitUntilConnected(kGenerously)) << i;
    if (i % 2 == 1) {
      ASSERT_TRUE(peers.back().Send(greeting.substr(0, 32)));
    }
  }
  // The first may have been cut off already, ten seconds after they came.
  EXPECT_TRUE(WaitUntil([&] { return Peers() + Disconnects() >= 2 + 2 * kOfEach + kSlow; }))
      << Peers() << " and " << Disconnects() << " that left";
  ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsHeard());
  ExpectMemoryGrewByAtMost(32 * kMiB);
  // The last ones say a byte now and then, and would be at it for a minute.
  size_t said = 0;
  const auto slow = peers.end() - kSlow;
  const bool all_left = WaitUntil(
      [&] {
        std::for_each(slow, peers.end(), [&](const RawPeer& peer) {
          static_cast<void>(peer.Send(greeting.substr(32 + said % 32, 1)));
        });
        said += said < 31 ? 1 : 0;
        return std::all_of(peers.begin(), peers.end(),
                           [](const RawPeer& peer) { return peer.Closed(); });
      },
      2 * kGenerously, milliseconds(1000));
  EXPECT_TRUE(all_left);
  EXPECT_TRUE(WaitUntil([] { return Peers() == 2; })) << Peers();
  EXPECT_TRUE(WaitUntil([this] { return Descriptors() <= descriptors_at_start_; }))
      << Descriptors() << " descriptors, " << descriptors_at_start_ << " before";
}

TEST_F(HostilePeers, AnnouncedLengthsBeyondTheLimitEndTheConnection) {
  for (const uint64_t length :
       {uint64_t{1} << 63, UINT64_MAX, (uint64_t{1} << 63) - 1, uint64_t{1} << 32, 16 * kMiB + 1}) {
    const RawPeer peer(kDataPort);
    ASSERT_NO_FATAL_FAILURE(ShakeHands(peer));
    ASSERT_TRUE(peer.Send(ZmtpLongFrame(length)));
    EXPECT_TRUE(WaitUntil([&] { return peer.Closed(); })) << length;
  }
  EXPECT_TRUE(WaitUntil([] { return Disconnects() == 5; })) << Disconnects();
  ExpectMemoryGrewByAtMost(32 * kMiB);
}

TEST_F(HostilePeers, ManyLargeMessagesThatNeverEndTakeNoMoreThanWasSent) {
  constexpr int kPeers = 50;
  constexpr size_t kSent = 1 * kMiB;
  std::deque<RawPeer> peers;
  for (int i = 0; i < kPeers; ++i) {
    peers.emplace_back(kDataPort);
    ASSERT_NO_FATAL_FAILURE(ShakeHands(peers.back()));
    ASSERT_TRUE(peers.back().Send(ZmtpLongFrame(16 * kMiB)));
  }
  const std::string piece(64 * 1024, 'x');
  for (size_t sent = 0; sent < kSent; sent += piece.size()) {
    for (const RawPeer& peer : peers) {
      ASSERT_TRUE(peer.Send(piece));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsHeard());
  }
  EXPECT_TRUE(WaitUntil([] { return Peers() == 2 + kPeers; })) << Peers();
  ExpectMemoryGrewByAtMost(kPeers * kSent + 32 * kMiB);
}

TEST_F(HostilePeers, LargestMessagesInSmallPiecesAreRefusedOnceTheyAreWhole) {
  constexpr int kPeers = 4;
  constexpr size_t kMessage = 16 * kMiB - 1;
  std::deque<RawPeer> peers;
  for (int i = 0; i < kPeers; ++i) {
    peers.emplace_back(kDataPort);
    ASSERT_NO_FATAL_FAILURE(ShakeHands(peers.back()));
    ASSERT_TRUE(peers.back().Send(ZmtpLongFrame(kMessage)));
  }
  const std::string piece(100'000, 'x');
  for (size_t sent = 0; sent < kMessage; sent += piece.size()) {
    const std::string_view next = std::string_view(piece).substr(0, kMessage - sent);
    for (const RawPeer& peer : peers) {
      ASSERT_TRUE(peer.Send(next));
    }
    if (sent % 4'000'000 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsHeard());
    }
  }
  ExpectRejected(kPeers, "magic");
  ExpectMemoryGrewByAtMost(kPeers * 16 * kMiB + 32 * kMiB);
}

TEST_F(HostilePeers, TenThousandWhoComeAndGoLeaveNothingBehind) {
  constexpr int kPeers = 10'000;
  for (int i = 0; i < kPeers; ++i) {
    RawPeer peer(kDataPort);
    ASSERT_TRUE(peer.WaitUntilConnected(kGenerously)) << i;
    if (i % 50 == 49) {
      // Greeted, so accepted with all before it: beyond 100 that wait, the kernel makes others
      // wait.
      ASSERT_TRUE(peer.Skip(10)) << i;
    }
    if (i % 3 == 1) {
      ASSERT_TRUE(peer.Send(ZmtpGreeting()));
    }
    if (i % 2 == 1) {
      peer.Abort();
    }
    if (i % 1000 == 999) {
      ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsHeard());
    }
  }
  EXPECT_TRUE(WaitUntil([] { return Disconnects() == kPeers && Peers() == 2; }, 2 * kGenerously))
      << Disconnects() << " have left, " << Peers() << " are there";
  EXPECT_TRUE(WaitUntil([this] { return Descriptors() <= descriptors_at_start_; }))
      << Descriptors() << " descriptors, " << descriptors_at_start_ << " before";
  ExpectMemoryGrewByAtMost(48 * kMiB);
}

// The door keeps descriptors free; this is about the case in which others have used them up.
TEST_F(HostilePeers, WithoutADescriptorLeftPacketsPassAndNewcomersAreHeardLater) {
  rlimit before{};
  ASSERT_EQ(::prlimit(receiver_->pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(::prlimit(receiver_->pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  WirePush newcomer(kDataPort);
  ASSERT_TRUE(newcomer.Send(Bytes{0x42}));
  for (int i = 0; i < 20; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsRead());
  }
  ASSERT_EQ(::prlimit(receiver_->pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_TRUE(WaitUntil([] { return Rejected() == 1; })) << "the newcomer was heard";
}

class HostilePeersAtTheLimit : public HostilePeers {
 protected:
  static constexpr int kMaxConnections = 40;
  static constexpr int kFromOneAddress = 35;

  Arguments ReceiverOptions() const override {
    return {"--max-connections", std::to_string(kMaxConnections)};
  }

  static double TurnedAway() {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_refused_connections_total",
                  {{"reason", "limit"}});
  }
};

TEST_F(HostilePeersAtTheLimit, NewcomersAreTurnedAwayAndComeInWhenOthersHaveLeft) {
  std::deque<RawPeer> peers;
  // Two are inside: neighbour and attacker.
  for (int i = 2; i < kFromOneAddress; ++i) {
    peers.emplace_back(kDataPort);
    ASSERT_NO_FATAL_FAILURE(ShakeHands(peers.back())) << i;
  }
  ASSERT_TRUE(WaitUntil([] { return Peers() == kFromOneAddress; }));
  std::deque<RawPeer> newcomers;
  for (int i = 0; i < 100; ++i) {
    newcomers.emplace_back(kDataPort);
  }
  EXPECT_TRUE(WaitUntil([] { return TurnedAway() >= 100; }));
  EXPECT_TRUE(receiver_->WaitForStderr("as many are connected as may be"));
  ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsHeard());
  EXPECT_EQ(Peers(), kFromOneAddress);
  EXPECT_TRUE(WaitUntil([this] {
    return Descriptors() <= descriptors_at_start_ + kFromOneAddress - 2;
  })) << Descriptors()
      << " descriptors, " << descriptors_at_start_ << " before";

  peers.clear();
  newcomers.clear();
  ASSERT_TRUE(WaitUntil([] { return Peers() == 2; }));
  WirePush late(kDataPort);
  ASSERT_TRUE(late.Send(Bytes{0x42}));
  EXPECT_TRUE(WaitUntil([] { return Rejected() == 1; })) << "there is room again";
}

// Many connections to the metrics' port, none of which ever has its answer.
class HostileHttpClients : public HostilePeers {
 protected:
  static constexpr int kClients = 200;

  void ConnectAll(std::string_view beginning) {
    for (int i = 0; i < kClients; ++i) {
      clients_.emplace_back(kReceiverMetricsPort);
      ASSERT_TRUE(clients_.back().WaitUntilConnected(kGenerously)) << i;
      ASSERT_TRUE(beginning.empty() || clients_.back().Send(beginning));
    }
  }

  // The packets' way is free, and the port is when they have gone.
  void ExpectOnlyTheMetricsSuffer() {
    for (int i = 0; i < 20; ++i) {
      ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsRead());
    }
    // Those that are served or in civetweb's queue; the others wait in the kernel's.
    EXPECT_LE(Descriptors(), descriptors_at_start_ + 40);
    ExpectMemoryGrewByAtMost(32 * kMiB);
    clients_.clear();
    EXPECT_TRUE(WaitUntil([] { return HttpGet(kReceiverMetricsPort, "/healthz").ok(); }));
  }

  std::deque<RawPeer> clients_;
};

TEST_F(HostileHttpClients, WhoSayNothingDoNotHoldUpThePackets) {
  ASSERT_NO_FATAL_FAILURE(ConnectAll(""));
  ExpectOnlyTheMetricsSuffer();
}

TEST_F(HostileHttpClients, WhoNeverEndTheirHeadersDoNotHoldUpThePackets) {
  ASSERT_NO_FATAL_FAILURE(ConnectAll("GET /metrics HTTP/1.1\r\nX-A: "));
  for (int i = 0; i < 10; ++i) {
    for (const RawPeer& client : clients_) {
      static_cast<void>(client.Send("a"));  // false once it was cut off
    }
    ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsRead());
  }
  ExpectOnlyTheMetricsSuffer();
}

TEST_F(HostileHttpClients, WhoSendHugeHeadersDoNotHoldUpThePackets) {
  ASSERT_NO_FATAL_FAILURE(ConnectAll("GET / HTTP/1.1\r\nX-A: "));
  // More than civetweb reads of one, less than the kernel keeps for those that wait.
  const std::string huge(40'000, 'a');
  for (const RawPeer& client : clients_) {
    static_cast<void>(client.Send(huge));
  }
  ExpectOnlyTheMetricsSuffer();
}

TEST_F(HostileHttpClients, WhoDoNotReadTheirAnswersDoNotHoldUpThePackets) {
  ASSERT_NO_FATAL_FAILURE(ConnectAll("GET /metrics HTTP/1.1\r\n\r\n"));
  ExpectOnlyTheMetricsSuffer();
}

}  // namespace
}  // namespace pcap_zmq::testing
