// SPDX-License-Identifier: MIT
#include "app/endpoint_lanes.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "tests/app/pump_fixture.h"

namespace pcap_zmq::testing {
namespace {

// A pump whose endpoints are what one name stands for.
class EndpointLanesTest : public PumpTest {
 protected:
  // What the name stands for once the pump has looked.
  void Stand(const std::vector<int>& numbers) {
    answer_.clear();
    for (const int number : numbers) {
      answer_.push_back(Endpoint(number));
    }
    watch_.Look();
  }

  PumpOptions Options(bool failover = false) {
    PumpOptions options;
    options.watermarks = {0, 0, kNanosPerSecond};
    options.squash_linger = 0;
    options.lanes.failover = failover;
    options.lanes.watch = &watch_;
    options.lanes.drain_timeout = drain_timeout_;
    options.lanes.connect =
        [this](const std::string& endpoint) -> Result<std::unique_ptr<PushSocket>> {
      if (refusals_ > 0) {
        --refusals_;
        return RuntimeError("out of sockets");
      }
      return PushSocket::Connect(context_, {.endpoint = endpoint});
    };
    return options;
  }

  std::unique_ptr<SenderPump> MakeWatchedPump(const PumpOptions& options, int endpoints = 1) {
    // Whatever happens to lanes, the law holds and nothing that was sent is taken back.
    script_.AtEachRead([this] {
      ExpectTheLawCloses();
      EXPECT_GE(stats_.sent_packets.Value(), sent_before_);
      EXPECT_GE(stats_.sent_bytes.Value(), sent_bytes_before_);
      EXPECT_GE(stats_.sent_frames.Value(), sent_frames_before_);
      sent_before_ = stats_.sent_packets.Value();
      sent_bytes_before_ = stats_.sent_bytes.Value();
      sent_frames_before_ = stats_.sent_frames.Value();
    });
    return MakePump(options, {}, endpoints);
  }

  std::map<std::string, EndpointCounts> Rows() const {
    std::map<std::string, EndpointCounts> rows;
    for (const EndpointCounts& row : stats_.endpoints.Read()) {
      EXPECT_TRUE(rows.try_emplace(row.endpoint, row).second) << row.endpoint << " is listed twice";
    }
    return rows;
  }
  bool Connected(int number) const {
    const auto rows = Rows();
    const auto row = rows.find(Endpoint(number));
    return row != rows.end() && row->second.connected;
  }
  bool Lists(int number) const { return Rows().contains(Endpoint(number)); }

  // The script's beginning: 64 flows come while, of the endpoints 0 and 1, 0 alone has a receiver,
  // which this is.
  std::unique_ptr<PullSocket> BeginWithTheFirstOfTwo() {
    auto first = Bind(0);
    Stand({0, 1});
    script_.Until([this] { return Connected(0); });
    script_.Packets(TextBatch(64));
    return first;
  }

  // The flows of a stream's packets.
  static std::set<uint32_t> Flows(const std::vector<ArrivedFrame>& frames) {
    std::set<uint32_t> flows;
    const Bytes records = Records(frames);
    for (size_t at = 0; at < records.size(); at += RecordSize(records.data() + at)) {
      flows.insert(LoadBe<uint32_t>(records.data() + at + kRecordHeaderBytes + 12));
    }
    return flows;
  }

  EndpointWatch::Endpoints answer_;
  EndpointWatch watch_{
      {"tcp://receivers:1234"},
      kNanosPerSecond,
      [this](const std::string&) -> Result<EndpointWatch::Endpoints> { return answer_; }};
  // The script's time runs away from ZeroMQ's threads, so it is long unless a test is about it.
  Nanoseconds drain_timeout_ = kDrain;
  int refusals_ = 0;
  uint64_t sent_before_ = 0;
  uint64_t sent_bytes_before_ = 0;
  uint64_t sent_frames_before_ = 0;
};

TEST_F(EndpointLanesTest, AnEndpointThatAppearsGetsItsFlowsInAStreamOfItsOwn) {
  const auto first = Bind(0);
  const auto second = Bind(1);
  Stand({0});
  script_.Until([this] { return Connected(0); });
  script_.Packets(TextBatch(64));
  script_.Then([this] { Stand({0, 1}); });
  script_.Until([this] { return Connected(1); });
  script_.Packets(TextBatch(64));
  const auto pump = MakeWatchedPump(Options());
  pump->Run(kDrain);
  const auto to_first = ReceiveStream(first.get());
  const auto to_second = ReceiveStream(second.get());
  EXPECT_NE(to_first[0].header.stream_id, to_second[0].header.stream_id);
  EXPECT_TRUE(to_second[0].header.control) << "the receiver learns at once who sends";
  EXPECT_EQ(to_second[0].header.sequence, 0U);
  EXPECT_EQ(PacketCount(to_first) + PacketCount(to_second), 128U);
  EXPECT_GT(PacketCount(to_second), 16U);
  EXPECT_LT(PacketCount(to_second), 48U);
  EXPECT_EQ(stats_.dropped.Total(), 0U);
  EXPECT_TRUE(Rows().empty()) << "a pump that has ended has no endpoints";
  ExpectEverythingIsAccountedFor();
}

TEST_F(EndpointLanesTest, OneThatIsGoneTakesWhatWasForItAndIsClosed) {
  const auto first = Bind(0);
  const auto second = Bind(1);
  Stand({0, 1});
  script_.Until([this] { return Connected(0) && Connected(1); });
  script_.Packets(TextBatch(64));
  script_.Then([this] { Stand({0}); });
  std::vector<ArrivedFrame> to_second;
  script_.Until([this] { return !Lists(1); });
  script_.Then([&] {
    to_second = ReceiveStream(second.get());
    EXPECT_EQ(stats_.connected_endpoints.Value(), 1);
  });
  script_.Packets(TextBatch(64));
  const auto pump = MakeWatchedPump(Options(), 2);
  pump->Run(kDrain);
  EXPECT_TRUE(to_second.back().header.last);
  EXPECT_GT(PacketCount(to_second), 16U);
  EXPECT_EQ(to_second.back().header.first_ordinal, PacketCount(to_second));
  EXPECT_EQ(PacketCount(ReceiveStream(first.get())) + PacketCount(to_second), 128U);
  EXPECT_EQ(stats_.sent_packets.Value(), 128U) << "what it got still counts";
  EXPECT_EQ(stats_.dropped.Total(), 0U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(EndpointLanesTest, WhatOneThatIsGoneDoesNotTakeInTimeIsDropped) {
  drain_timeout_ = 10 * kNanosPerSecond;
  const auto first = Bind(0);
  Stand({0, 1});
  script_.Until([this] { return Connected(0); });
  script_.Packets(TextBatch(64));
  uint64_t waiting = 0;
  Nanoseconds gone_at = 0;
  script_.Until([this] {
    const auto rows = Rows();
    return rows.at(Endpoint(0)).sent_packets > 0 && rows.at(Endpoint(0)).buffered_packets == 0;
  });
  script_.Then([&] {
    waiting = static_cast<uint64_t>(stats_.buffered_packets.Value());
    Stand({0});
    gone_at = clock_.MonotonicNow();
  });
  script_.Pause(9 * kNanosPerSecond);
  script_.Then([&] {
    EXPECT_EQ(Dropped(DropReason::kEndpointGone), 0U) << "there is time left";
    EXPECT_TRUE(Lists(1));
    EXPECT_EQ(Rows()[Endpoint(1)].buffered_packets, waiting);
  });
  script_.Until([this] { return !Lists(1); });
  script_.Then([&] {
    EXPECT_GE(clock_.MonotonicNow() - gone_at, 10 * kNanosPerSecond);
    EXPECT_LE(clock_.MonotonicNow() - gone_at, 11 * kNanosPerSecond);
    EXPECT_EQ(Dropped(DropReason::kEndpointGone), waiting);
    EXPECT_EQ(stats_.buffered_packets.Value(), 0);
  });
  // A control frame may just be on its way to the one that is left.
  script_.Until([this] { return stats_.buffered_bytes.Value() == 0; });
  const auto pump = MakeWatchedPump(Options(), 2);
  pump->Run(kDrain);
  EXPECT_GT(waiting, 16U);
  EXPECT_EQ(PacketCount(ReceiveStream(first.get())) + waiting, 64U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(EndpointLanesTest, OneThatReturnsBeforeItsTimeIsUpGoesOnWhereItWas) {
  drain_timeout_ = 10 * kNanosPerSecond;
  const auto first = Bind(0);
  Stand({0, 1});
  std::unique_ptr<PullSocket> second;
  script_.Packets(TextBatch(64));
  script_.Then([this] { Stand({0}); });
  script_.Pause(5 * kNanosPerSecond);
  script_.Then([&] {
    Stand({0, 1});
    second = Bind(1);
  });
  script_.Until([this] { return Connected(1); });
  script_.Pause(20 * kNanosPerSecond);
  script_.Packets(TextBatch(64));
  const auto pump = MakeWatchedPump(Options(), 2);
  pump->Run(kDrain);
  const auto to_second = ReceiveStream(second.get());
  EXPECT_EQ(PacketCount(ReceiveStream(first.get())) + PacketCount(to_second), 128U);
  for (size_t i = 0; i < to_second.size(); ++i) {
    EXPECT_EQ(to_second[i].header.stream_id, to_second[0].header.stream_id);
    EXPECT_EQ(to_second[i].header.sequence, i);
  }
  EXPECT_EQ(stats_.dropped.Total(), 0U);
}

TEST_F(EndpointLanesTest, WithFailoverFlowsGoToTheConnectedOnesAndComeBack) {
  const auto first = BeginWithTheFirstOfTwo();
  std::unique_ptr<PullSocket> second;
  script_.Then([&] {
    EXPECT_EQ(Rows()[Endpoint(1)].buffered_packets, 0U);
    second = Bind(1);
  });
  script_.Until([this] { return Connected(1); });
  script_.Packets(TextBatch(64));
  const auto pump = MakeWatchedPump(Options(/*failover=*/true), 2);
  pump->Run(kDrain);
  const auto to_first = ReceiveStream(first.get());
  const auto to_second = ReceiveStream(second.get());
  EXPECT_EQ(Flows(to_first).size(), 64U) << "all while it was alone";
  EXPECT_EQ(PacketCount(to_first) + PacketCount(to_second), 128U);
  EXPECT_EQ(PacketCount(to_second), Flows(to_second).size());
  EXPECT_GT(PacketCount(to_second), 16U);
}

TEST_F(EndpointLanesTest, WithoutFailoverFlowsWaitForTheirEndpoint) {
  const auto first = BeginWithTheFirstOfTwo();
  std::unique_ptr<PullSocket> second;
  script_.Then([&] {
    EXPECT_GT(stats_.buffered_packets.Value(), 16);
    second = Bind(1);
  });
  const auto pump = MakeWatchedPump(Options(), 2);
  pump->Run(kDrain);
  const auto to_first = ReceiveStream(first.get());
  const auto to_second = ReceiveStream(second.get());
  EXPECT_EQ(Flows(to_first).size() + Flows(to_second).size(), 64U);
  EXPECT_EQ(stats_.dropped.Total(), 0U);
}

TEST_F(EndpointLanesTest, WhenNoneIsConnectedAllTakeTheirFlows) {
  Stand({0, 1});
  std::unique_ptr<PullSocket> first;
  std::unique_ptr<PullSocket> second;
  script_.Pause(kNanosPerSecond);
  script_.Packets(TextBatch(64));
  script_.Then([&] {
    EXPECT_GT(Rows()[Endpoint(0)].buffered_packets + Rows()[Endpoint(1)].buffered_packets, 0U);
    first = Bind(0);
    second = Bind(1);
  });
  const auto pump = MakeWatchedPump(Options(/*failover=*/true), 2);
  pump->Run(kDrain);
  EXPECT_GT(PacketCount(ReceiveStream(first.get())), 16U);
  EXPECT_GT(PacketCount(ReceiveStream(second.get())), 16U);
}

TEST_F(EndpointLanesTest, OneThatCannotBeConnectedToYetIsListedAndTriedAgain) {
  const auto first = Bind(0);
  const auto second = Bind(1);
  Stand({0});
  refusals_ = 3;
  script_.Then([this] { Stand({1}); });
  script_.Until([this] { return refusals_ < 3; });
  script_.Then([this] {
    ASSERT_TRUE(Lists(1));
    EXPECT_FALSE(Connected(1));
  });
  script_.Packets(TextBatch(8));
  script_.Until([this] { return Connected(1); });
  script_.Packets(TextBatch(8));
  const auto pump = MakeWatchedPump(Options());
  pump->Run(kDrain);
  EXPECT_EQ(PacketCount(ReceiveStream(first.get())), 8U) << "it stays until there is another";
  EXPECT_EQ(PacketCount(ReceiveStream(second.get())), 8U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(EndpointLanesTest, AReplayDoesNotWaitForAnEndpointThatIsGone) {
  drain_timeout_ = 10 * kNanosPerSecond;
  const auto first = Bind(0);
  Stand({0, 1});
  // More than the part of its buffer that a replay fills.
  for (int i = 0; i < 400; ++i) {
    script_.Packets(TextBatch(64));
  }
  script_.Until([this] { return !Lists(1); });
  PumpOptions options = Options();
  options.live = false;
  const auto pump = MakeWatchedPump(options, 2);
  std::thread running([&] { pump->Run(kDrain); });
  uint64_t arrived = 0;
  std::thread receiving([&] { arrived = PacketCount(ReceiveStream(first.get())); });
  EXPECT_TRUE(WaitUntil([&] { return stats_.buffered_packets.Value() > 2000; }));
  Stand({0});
  // The pump waits for room: time does not pass by itself.
  EXPECT_TRUE(WaitUntil([&] {
    clock_.Advance(20 * kNanosPerMilli);
    return !Lists(1);
  }));
  receiving.join();
  running.join();
  EXPECT_GT(Dropped(DropReason::kEndpointGone), 0U);
  EXPECT_EQ(Captured(), 400U * 64);
  EXPECT_EQ(arrived + stats_.dropped.Total(), Captured());
  EXPECT_TRUE(pump->failed()) << "it was not sent whole";
  ExpectEverythingIsAccountedFor();
}

TEST_F(EndpointLanesTest, EachEndpointCountsItsOwn) {
  const auto first = Bind(0);
  PushOptions small;
  small.buffer_frames = 4;
  for (int i = 0; i < 10; ++i) {
    script_.Packets(TextBatch(64));
  }
  // Rows are posted now and then.
  script_.Until([this] {
    const EndpointCounts here = Rows()[Endpoint(0)];
    const EndpointCounts away = Rows()[Endpoint(1)];
    return here.sent_packets + here.dropped_packets + away.buffered_packets +
               away.dropped_packets ==
           640;
  });
  script_.Then([this] {
    const EndpointCounts here = Rows()[Endpoint(0)];
    const EndpointCounts away = Rows()[Endpoint(1)];
    EXPECT_FALSE(away.connected);
    EXPECT_EQ(away.sent_packets, 0U);
    EXPECT_GT(away.buffered_packets, 0U);
    EXPECT_GT(away.dropped_packets, 0U);
    EXPECT_EQ(here.dropped_packets + away.dropped_packets, Dropped(DropReason::kZmqHwm));
    EXPECT_EQ(here.sent_packets, stats_.sent_packets.Value());
    EXPECT_EQ(away.buffered_packets, static_cast<uint64_t>(stats_.buffered_packets.Value()));
  });
  PumpOptions options = Options();
  options.lanes.watch = nullptr;
  const auto pump = MakePump(options, small, 2);
  pump->Run(0);
  ExpectEverythingIsAccountedFor();
}

}  // namespace
}  // namespace pcap_zmq::testing
