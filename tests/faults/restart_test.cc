// SPDX-License-Identifier: MIT
//
// A receiver that is stopped and started again under traffic: a planned stop loses nothing, and
// what a reader that hangs costs has a name.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <regex>

#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kSmallPacket = 128;
// The most that goes in one frame, with the records' headers.
constexpr uint64_t kLargePacketsInAFrame = 128 * 1024 / (kLargePacketBytes + 16) + 1;

class Restart : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) {
      TrafficOptions traffic;
      traffic.packet_bytes = kSmallPacket;
      UseTraffic(traffic);
    }
  }

  // A receiver that waited for its drain to be over would look like one that hangs.
  static inline const Arguments kLongDrain = {"--drain-timeout", "10m"};

  // Ends the receiver and says how long that took.
  void StopReceiver() {
    const auto start = std::chrono::steady_clock::now();
    Terminate(receiver_.get());
    longest_stop_ = std::max(longest_stop_, std::chrono::steady_clock::now() - start);
  }

  // A number of the receiver's last words, or 0.
  uint64_t LastWord(const std::string& pattern) const {
    const std::string text = receiver_->Stderr();
    std::smatch match;
    return std::regex_search(text, match, std::regex(pattern)) ? std::stoull(match[1]) : 0;
  }

  unsigned long long LongestStopMillis() const {
    using std::chrono::milliseconds;
    return static_cast<unsigned long long>(
        std::chrono::duration_cast<milliseconds>(longest_stop_).count());
  }

  const uint64_t rate_ = FaultSetting("RATE", 20'000);
  const uint64_t restarts_ = FaultSetting("RESTARTS", 5);
  std::chrono::steady_clock::duration longest_stop_{};
};

TEST_F(Restart, PlannedRestartsUnderAReaderThatKeepsUpLoseNothing) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(rate_, {}, kLongDrain));
  for (uint64_t i = 0; i < restarts_; ++i) {
    ASSERT_TRUE(WaitForRead(rate_ / 4));
    StopReceiver();
    EXPECT_EQ(LastWord("dropped ([0-9]+)"), 0u) << receiver_->Stderr();
    ASSERT_NO_FATAL_FAILURE(StartIds(kLongDrain));
  }
  ASSERT_TRUE(WaitForRead(rate_ / 4));
  Books books = Settle();
  EXPECT_TRUE(WaitUntil([&] {
    books.read = reader_->distinct();
    return books.read == books.sender.sent;
  })) << books.read
      << " of " << books.sender.sent << " that were sent";
  EXPECT_EQ(books.receiver.lost, 0u);
  ExpectReaderIsWhole(0);
  Report("receiver restarted as planned", books,
         "; longest stop " + std::to_string(LongestStopMillis()) + " ms");
  EndPipe();
}

TEST_F(Restart, PlannedRestartsLoseNothingThatWasForAFile) {
  std::vector<std::string> files = {dir_.File("0.pcap")};
  ASSERT_NO_FATAL_FAILURE(StartIdsTo({"file:" + files[0]}, kLongDrain));
  ASSERT_NO_FATAL_FAILURE(StartGateway());
  generator_->StartSending(rate_);
  for (uint64_t i = 0; i < restarts_; ++i) {
    const double before = IdsMetric("sink_packets_total");
    ASSERT_TRUE(WaitUntil(
        [&] { return IdsMetric("sink_packets_total") - before > static_cast<double>(rate_) / 4; }));
    StopReceiver();
    files.push_back(dir_.File(std::to_string(i + 1) + ".pcap"));
    ASSERT_NO_FATAL_FAILURE(StartIdsTo({"file:" + files.back()}, kLongDrain));
  }
  Books books = SettleGateway();
  Terminate(sender_.get());
  StopReceiver();
  MarkChecker checker(traffic_);
  for (const std::string& file : files) {
    AddCapture(ReadFileBytes(file), false, &checker);
  }
  EXPECT_EQ(checker.duplicates(), 0u);
  EXPECT_EQ(checker.distinct(), books.sender.sent);
  books.read = checker.distinct();
  Report("receiver of a file restarted as planned", books,
         "; longest stop " + std::to_string(LongestStopMillis()) + " ms");
}

TEST_F(Restart, ASenderThatHangsIsNotWaitedFor) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(rate_, {}, kLongDrain));
  sender_->Signal(SIGSTOP);
  StopReceiver();
  sender_->Signal(SIGCONT);
  ASSERT_NO_FATAL_FAILURE(StartIds(kLongDrain));
  ASSERT_TRUE(WaitForRead(rate_ / 4));
  generator_->Stop();
  EndPipe();
}

TEST_F(Restart, WhatAReaderThatHangsCostsIsNamed) {
  UseLargePackets();
  ASSERT_NO_FATAL_FAILURE(StartPipe(rate_, {}, {"--drain-timeout", "200ms"}));
  reader_->Signal(SIGSTOP);
  ASSERT_TRUE(WaitUntil([&] {
    return IdsMetric("memory_bytes", {{"holder", "inbox"}}) > 4 * 1024 * 1024;
  }));
  StopReceiver();
  const uint64_t dropped = LastWord("\\(shutdown ([0-9]+)\\)");
  const uint64_t up_to = LastWord("received up to packet ([0-9]+) of gateway");
  EXPECT_GT(dropped, 0u) << receiver_->Stderr();
  EXPECT_GT(up_to, dropped) << receiver_->Stderr();
  // Its capture may end within the record that was being written when the time was up.
  reader_->Signal(SIGCONT);
  ASSERT_TRUE(WaitUntil([&] { return reader_->findings().captures == 1; }));
  ASSERT_NO_FATAL_FAILURE(StartIds());
  ASSERT_TRUE(WaitForRead(rate_ / 4));
  Books books = Settle();
  EXPECT_GE(books.receiver.unseen, up_to);
  EXPECT_LE(books.receiver.unseen - up_to, kLargePacketsInAFrame);
  EXPECT_TRUE(WaitUntil([&] {
    books.read = reader_->distinct();
    return books.read + dropped + books.receiver.unseen - up_to == books.sender.sent;
  })) << books.read
      << " read, " << dropped << " dropped, up to " << up_to << "; " << books.receiver.Text()
      << "; " << books.sender.Text();
  EXPECT_EQ(books.receiver.lost, 0u);
  ExpectReaderIsWhole(1);
  Report("receiver restarted under a reader that hangs", books,
         "; shutdown " + std::to_string(dropped) + ", cut " +
             std::to_string(books.receiver.unseen - up_to));
  EndPipe();
}

}  // namespace
}  // namespace pcap_zmq::testing
