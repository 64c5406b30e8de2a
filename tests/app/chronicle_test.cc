// SPDX-License-Identifier: MIT
#include "app/chronicle.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "base/log.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

using Lines = std::vector<std::string>;
using testing::FakeClock;

constexpr Nanoseconds kSecond = kNanosPerSecond;

// What `work` logs, without the name of the program.
template <typename Work>
Lines Logged(LogFormat format, const Work& work) {
  SetUpLog("p", format);
  ::testing::internal::CaptureStderr();
  work();
  std::istringstream text(::testing::internal::GetCapturedStderr());
  Lines lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(line.starts_with("p: ") ? line.substr(3) : line);
  }
  return lines;
}

class ConnectionChronicleTest : public ::testing::Test {
 protected:
  // What is said when the endpoint is looked at.
  Lines Look(Nanoseconds now, bool connected, uint64_t waiting = 0, uint64_t dropped = 0) {
    return Logged(LogFormat::kText, [&] {
      chronicle_.Look({{"tcp://ids:1234", connected, 0, dropped, waiting}}, now);
    });
  }

  ConnectionChronicle chronicle_{false};
};

TEST_F(ConnectionChronicleTest, SaysThatAReceiverIsThere) {
  EXPECT_EQ(Look(1 * kSecond, false), Lines{});
  EXPECT_EQ(Look(1 * kSecond + 1, true), Lines{"connected to tcp://ids:1234"});
  EXPECT_EQ(Look(1000 * kSecond, true), Lines{});
}

TEST_F(ConnectionChronicleTest, NamesAnEndpointThatNeverAnswers) {
  EXPECT_EQ(Look(0, false), Lines{});
  EXPECT_EQ(Look(9 * kSecond, false), Lines{});
  EXPECT_EQ(
      Look(10 * kSecond, false, 970),
      Lines{"warning: nobody has answered at tcp://ids:1234 for 10s; 970 packets wait for it"});
  EXPECT_EQ(Look(59 * kSecond, false), Lines{});
  EXPECT_EQ(
      Look(60 * kSecond, false, 1000, 7),
      Lines{"warning: nobody has answered at tcp://ids:1234 for 1m; 1000 packets wait for it, "
            "7 were dropped"});
  EXPECT_EQ(Look(659 * kSecond, false), Lines{});
  EXPECT_EQ(Look(660 * kSecond, false).size(), 1U);
  EXPECT_EQ(Look(700 * kSecond, true), Lines{"connected to tcp://ids:1234 after 700s"});
}

TEST_F(ConnectionChronicleTest, SaysWhenAReceiverGoesAndWhatThatCost) {
  Look(0, true, 0, 100);
  EXPECT_EQ(Look(5 * kSecond, false, 3, 100),
            Lines{"warning: the connection to tcp://ids:1234 is gone; 3 packets wait for it"});
  EXPECT_EQ(Look(15 * kSecond, false, 1000, 250),
            Lines{"warning: no connection to tcp://ids:1234 for 10s; 1000 packets wait for it, 150 "
                  "were dropped"});
  EXPECT_EQ(Look(20 * kSecond, true), Lines{"connected to tcp://ids:1234 again after 15s"});
}

TEST_F(ConnectionChronicleTest, OneThatComesAndGoesAllTheTimeDoesNotFillTheLog) {
  size_t lines = 0;
  for (int i = 0; i < 600; ++i) {
    lines += Look(i * kSecond, i % 2 == 0).size();
  }
  // Two for each time that it goes: four times, and once in 30 s.
  EXPECT_GE(lines, 40U);
  EXPECT_LE(lines, 50U);
}

TEST_F(ConnectionChronicleTest, WithFailoverTheFlowsGoToTheOthers) {
  ConnectionChronicle chronicle(true);
  const EndpointRows both = {{"tcp://a:1", true, 0, 0, 0}, {"tcp://b:1", false, 0, 0, 0}};
  Logged(LogFormat::kText, [&] { chronicle.Look(both, 0); });
  EXPECT_EQ(Logged(LogFormat::kText, [&] { chronicle.Look(both, 10 * kSecond); }),
            Lines{"warning: nobody has answered at tcp://b:1 for 10s; its flows go to the others"});
}

TEST_F(ConnectionChronicleTest, AnEndpointThatLeftItsNameIsForgotten) {
  Look(0, true);
  EXPECT_EQ(Logged(LogFormat::kText, [&] { chronicle_.Look({}, kSecond); }), Lines{});
  EXPECT_EQ(Look(2 * kSecond, true), Lines{"connected to tcp://ids:1234"});
}

class LossChronicleTest : public ::testing::Test {
 protected:
  Lines After(Nanoseconds time, LogFormat format = LogFormat::kText) {
    clock_.Advance(time);
    return Logged(format, [&] { chronicle_.Look(); });
  }

  FakeClock clock_;
  std::vector<LossCount> losses_ = {{"sender", "gw1", "network", 0}, {"sender", "gw1", "shed", 0}};
  LossChronicle chronicle_{&clock_, [this] { return losses_; }};
};

TEST_F(LossChronicleTest, SaysOnceAMinuteWhatWasLostSince) {
  losses_[0].packets = 12;
  EXPECT_EQ(After(59 * kSecond), Lines{});
  EXPECT_EQ(After(1 * kSecond),
            Lines{"warning: lost in the last minute: 12 packets of gw1 (network)"});
  EXPECT_EQ(After(60 * kSecond), Lines{}) << "as nothing is lost any more";
  losses_[0].packets = 13;
  losses_[1].packets = 100;
  EXPECT_EQ(After(60 * kSecond),
            (Lines{"warning: lost in the last minute: 1 packet of gw1 (network)",
                   "warning: lost in the last minute: 100 packets of gw1 (shed)"}));
}

TEST_F(LossChronicleTest, ProgramsFindTheSameInTheirOwnKeys) {
  losses_[1].packets = 5;
  const std::string from = LogTime(clock_.WallNow());
  const Lines lines = After(60 * kSecond, LogFormat::kJson);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].ends_with(R"(,"event":"loss","sender":"gw1","reason":"shed","packets":5,)"
                                 R"("from":")" +
                                 from + R"(","to":")" + LogTime(clock_.WallNow()) + R"("})"))
      << lines[0];
}

TEST_F(LossChronicleTest, WhatCameLateIsTakenOffAndWhatWasLostBeforeIsNotSaid) {
  losses_[0].packets = 12;
  After(60 * kSecond);
  losses_[0].packets = 2;
  EXPECT_EQ(After(60 * kSecond), Lines{});
  losses_[0].packets = 5;
  losses_.push_back({"sender", "branch", "shed", 1'000'000, true});
  EXPECT_EQ(After(60 * kSecond),
            Lines{"warning: lost in the last minute: 3 packets of gw1 (network)"});
  losses_.back().packets += 4;
  EXPECT_EQ(After(60 * kSecond),
            Lines{"warning: lost in the last minute: 4 packets of branch (shed)"});
}

TEST_F(LossChronicleTest, WhatANewSenderLosesInItsFirstMinuteCounts) {
  EXPECT_EQ(After(10 * kSecond), Lines{});
  losses_.push_back({"sender", "branch", "shed", 1'000'000, true});
  EXPECT_EQ(After(10 * kSecond), Lines{});
  losses_.back().packets += 7;
  EXPECT_EQ(After(40 * kSecond),
            Lines{"warning: lost in the last minute: 7 packets of branch (shed)"});
}

TEST_F(LossChronicleTest, WhatCameLateWithoutHavingBeenLostHidesNoLoss) {
  losses_[0].packets = -500;
  EXPECT_EQ(After(60 * kSecond), Lines{});
  losses_[0].packets = -100;
  EXPECT_EQ(After(60 * kSecond),
            Lines{"warning: lost in the last minute: 400 packets of gw1 (network)"});
}

TEST_F(LossChronicleTest, AThousandSendersAreSummedUp) {
  losses_.clear();
  for (int i = 0; i < 1000; ++i) {
    losses_.push_back({"sender", "gw" + std::to_string(i), "shed", 2});
  }
  const Lines lines = After(60 * kSecond);
  ASSERT_EQ(lines.size(), LossChronicle::kMostLines + 1);
  EXPECT_EQ(
      lines.back(),
      "warning: lost in the last minute: 1900 more packets, of 950 further senders or reasons");
}

TEST(LossesOf, EveryReasonButWhatIsNotIpIsALoss) {
  PumpStats pump;
  pump.sources.emplace_back("nflog:0");
  pump.sources[0].kernel_lost_packets.Add(3);
  pump.dropped.Add(DropReason::kShed, 4);
  pump.dropped.Add(DropReason::kLinkType, 5);
  int64_t all = 0;
  for (const LossCount& loss : LossesOf(std::vector<const PumpStats*>{&pump})) {
    all += loss.packets;
  }
  EXPECT_EQ(all, 7);
}

TEST(LossesOf, AReceiverKnowsOfNetworkOutputsAndSenders) {
  SenderSnapshot sender;
  sender.name = "gw1";
  sender.lost_packets = 10;
  sender.late_packets = 4;
  sender.totals.kernel_lost_packets = 20;
  sender.totals.dropped_packets[static_cast<size_t>(DropReason::kZmqHwm)] = 300;
  SinkStats sink("/run/ids.pcap");
  sink.dropped.Add(SinkDropReason::kQueueFull, 4000);
  std::string text;
  for (const LossCount& loss : LossesOf({sender}, {&sink})) {
    if (loss.packets > 0) {
      text += std::string(loss.kind) + " " + loss.who + " " + std::string(loss.reason) + " " +
              std::to_string(loss.packets) + ";";
    }
  }
  EXPECT_EQ(text,
            "sender gw1 network 6;sender gw1 kernel 20;sender gw1 zmq_hwm 300;"
            "output /run/ids.pcap queue_full 4000;");
}

}  // namespace
}  // namespace pcap_zmq
