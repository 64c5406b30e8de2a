// SPDX-License-Identifier: MIT
#include "codec/clock_offset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "codec/control_frame.h"
#include "codec/sender_table.h"
#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::FakeClock;
using testing::TestPacket;

constexpr Nanoseconds kSecond = kNanosPerSecond;

TEST(ClockOffset, TheQuickestReportOfTheLastSecondsCounts) {
  ClockOffset offset;
  EXPECT_EQ(offset.value(), std::nullopt);
  // An hour ahead, and 5 s, 20 ms and 1 s on the way.
  offset.Report(3600 * kSecond, 5 * kSecond, 0);
  EXPECT_EQ(offset.value(), 3595 * kSecond);
  offset.Report(3601 * kSecond, kSecond + 20 * kNanosPerMilli, 1 * kSecond);
  EXPECT_EQ(offset.value(), 3600 * kSecond - 20 * kNanosPerMilli);
  offset.Report(3602 * kSecond, 3 * kSecond, 2 * kSecond);
  EXPECT_EQ(offset.value(), 3600 * kSecond - 20 * kNanosPerMilli);
}

TEST(ClockOffset, AClockThatIsSetIsBelievedAtOnceAndOneThatIsSetByLittleWithinMinutes) {
  ClockOffset offset;
  offset.Report(3600 * kSecond, 0, 0);
  offset.Report(kSecond, kSecond, kSecond);
  EXPECT_EQ(offset.value(), 0);
  EXPECT_FALSE(offset.settled());
  Nanoseconds now = 2 * kSecond;
  while (*offset.value() != -20 * kSecond && now < 1000 * kSecond) {
    offset.Report(now - 20 * kSecond, now, now);
    now += kSecond;
  }
  EXPECT_GT(now, 200 * kSecond);
  EXPECT_LE(now, 250 * kSecond);
  EXPECT_TRUE(offset.settled());
}

TEST(ClockOffset, ABacklogThatGrowsForTwoMinutesIsNoClock) {
  ClockOffset offset;
  for (Nanoseconds now = 0; now < 130 * kSecond; now += kSecond) {
    offset.Report(now, now, now);
  }
  for (Nanoseconds now = 130 * kSecond; now < 230 * kSecond; now += kSecond) {
    offset.Report(now - (now - 130 * kSecond) / 2, now, now);
    EXPECT_EQ(offset.value(), 0) << now;
  }
}

TEST(ClockOffset, ReportsThatWaitedForAReaderDoNotLookLikeAClockThatIsBehind) {
  ClockOffset offset;
  for (Nanoseconds now = 0; now < 25 * kSecond; now += kSecond) {
    offset.Report(now, now, now);
  }
  // For a minute nothing is received, then all of it at once.
  const Nanoseconds now = 85 * kSecond;
  for (Nanoseconds made = 25 * kSecond; made <= now; made += kSecond) {
    offset.Report(made, now, now);
    EXPECT_EQ(*offset.value(), 0) << made;
  }
}

TEST(ClockShift, MovesWhatIsTooFarOffAndThenStays) {
  ClockShift shift;
  EXPECT_FALSE(shift.Follow(kSecond, kSecond));
  EXPECT_EQ(shift.value(), 0);
  EXPECT_TRUE(shift.Follow(kSecond + 1, kSecond));
  EXPECT_EQ(shift.value(), -kSecond - 1);
  EXPECT_FALSE(shift.Follow(2 * kSecond, kSecond)) << "it is still right enough";
  EXPECT_FALSE(shift.Follow(1, kSecond));
  EXPECT_TRUE(shift.Follow(-1, kSecond));
  EXPECT_EQ(shift.value(), 0);
  EXPECT_TRUE(shift.Follow(-90 * kSecond, kSecond));
  EXPECT_EQ(shift.value(), 90 * kSecond);
}

// Two packets a second, and the report before them, of senders whose clocks are off.
class SkewTest : public ::testing::Test {
 protected:
  using Times = std::vector<Nanoseconds>;

  // The times, by our clock, that the packets of the stream have when they are delivered.
  Times Second(uint64_t stream, const std::string& name, Nanoseconds skew, bool says = true) {
    clock_.Advance(kSecond);
    const Nanoseconds theirs = clock_.WallNow() + skew;
    Report(stream, name, says ? static_cast<uint64_t>(theirs / kNanosPerMicro) : 0);
    const std::vector<TestPacket> packets = {{testing::Ipv4Packet("a"), theirs, 100},
                                             {testing::Ipv4Packet("b"), theirs + 7, 100}};
    Times times;
    for (const RecordBlockPtr& block : Decode(testing::DataFrame(stream, next_[stream], packets))) {
      EXPECT_EQ(block->oldest_timestamp, RecordTimestamp(block->records.data()));
      for (size_t at = 0; at < block->records.size();
           at += RecordSize(block->records.data() + at)) {
        times.push_back(RecordTimestamp(block->records.data() + at) - clock_.WallNow());
      }
    }
    next_[stream] += packets.size();
    return times;
  }

  void Report(uint64_t stream, const std::string& name, uint64_t clock_micros) {
    ControlReport report;
    report.name = name;
    report.clock_micros = clock_micros;
    Decode(testing::ControlFrame(stream, next_[stream], SerializeControl(report)));
  }

  Nanoseconds WallNow() const { return clock_.WallNow(); }

  SenderSnapshot Sender(const std::string& name) const {
    for (const SenderSnapshot& sender : table_.Snapshot()) {
      if (sender.name == name) {
        return sender;
      }
    }
    return {};
  }

 private:
  std::vector<RecordBlockPtr> Decode(const testing::Bytes& message) {
    std::vector<RecordBlockPtr> blocks;
    decoder_.Decode(testing::MessageOf(message), &blocks);
    return blocks;
  }

  FakeClock clock_;
  SenderTable table_{8, &clock_, kSecond};
  ReceiverStats stats_;
  FrameDecoder decoder_{&table_, &stats_};
  std::map<uint64_t, uint64_t> next_;  // ordinal of each stream
};

TEST_F(SkewTest, PacketsOfAClockThatIsOffGetOursAndOthersKeepTheirs) {
  EXPECT_EQ(Second(1, "right", 999 * kNanosPerMilli),
            (Times{999 * kNanosPerMilli, 999 * kNanosPerMilli + 7}));
  EXPECT_EQ(Second(2, "ahead", 3600 * kSecond), (Times{0, 7}));
  EXPECT_EQ(Second(3, "behind", -90 * kSecond), (Times{-90 * kSecond, -90 * kSecond + 7}))
      << "it may have waited";
  EXPECT_EQ(Second(4, "silent", 3600 * kSecond, false),
            (Times{3600 * kSecond, 3600 * kSecond + 7}));
  EXPECT_EQ(Second(2, "ahead", 3600 * kSecond + 5), (Times{5, 12})) << "the shift stays";
  EXPECT_EQ(Sender("right").shifted_packets, 0U);
  EXPECT_EQ(Sender("ahead").shifted_packets, 4U);
  EXPECT_EQ(Sender("behind").shifted_packets, 0U);
  EXPECT_DOUBLE_EQ(*Sender("ahead").clock_offset_seconds, 3600.0);
  EXPECT_DOUBLE_EQ(*Sender("behind").clock_offset_seconds, -90.0);
  EXPECT_EQ(Sender("silent").clock_offset_seconds, std::nullopt);
}

TEST_F(SkewTest, OneThatIsBehindIsBelievedAfterTwoMinutes) {
  int seconds = 0;
  while (Second(1, "behind", -90 * kSecond).front() != 0 && seconds < 300) {
    ++seconds;
  }
  EXPECT_GE(seconds, 119);
  EXPECT_LE(seconds, 121);
}

// The first report waits until there is a receiver.
TEST_F(SkewTest, AReportThatWaitedForTheReceiverMovesNothing) {
  Report(1, "gw1", static_cast<uint64_t>((WallNow() - 600 * kSecond) / kNanosPerMicro));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Second(1, "gw1", 0), (Times{0, 7})) << i;
  }
}

TEST_F(SkewTest, ItIsSaidOnceAndWhenItIsOver) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 10; ++i) {
    Second(1, "gw1", 3600 * kSecond);
  }
  for (int i = 0; i < 30; ++i) {
    Second(1, "gw1", 0);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 2) << said;
  EXPECT_NE(said.find("the clock of gw1 is 1h ahead; the times of its packets are moved by that"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("the clock of gw1 is right again"), std::string::npos) << said;
}

TEST_F(SkewTest, NonsenseIsNoClock) {
  for (const uint64_t micros : {uint64_t{4'294'967'296'000'000}, UINT64_MAX}) {
    Report(1, "gw1", micros);
    EXPECT_EQ(Sender("gw1").clock_offset_seconds, std::nullopt) << micros;
  }
  // The last one that counts moves packets of now to before all times, and they stay at the first.
  Report(1, "gw1", 4'294'967'295'999'999);
  EXPECT_GT(*Sender("gw1").clock_offset_seconds, 2.5e9);
  // Its next report says that the clock was set, so the packets come without one.
  const Times times = Second(1, "gw1", 0, false);
  ASSERT_EQ(times.size(), 2U);
  EXPECT_EQ(times[0] + WallNow(), 0);
}

}  // namespace
}  // namespace pcap_zmq
