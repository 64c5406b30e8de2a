// SPDX-License-Identifier: MIT
#include "shaper/effort_controller.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kTick = 250 * kNanosPerMilli;

// A pump that updates its controller four times a second.
class Ticker {
 public:
  explicit Ticker(bool has_fast_step) : controller_(has_fast_step) { controller_.Update(now_); }

  // One tick of which the pump waited `idle_share`.
  void Tick(double idle_share) {
    now_ += kTick;
    controller_.NoteIdle(static_cast<Nanoseconds>(idle_share * kTick));
    controller_.Update(now_);
  }

  // Ticks with `idle_share` until the effort is `effort`; how long that took.
  Nanoseconds Until(SquashEffort effort, double idle_share) {
    const Nanoseconds start = now_;
    while (controller_.effort() != effort && now_ - start < 600 * kNanosPerSecond) {
      Tick(idle_share);
    }
    return now_ - start;
  }

  SquashEffort effort() const { return controller_.effort(); }

 private:
  EffortController controller_;
  Nanoseconds now_ = 1000 * kNanosPerSecond;
};

constexpr double kBusy = 0.0;
constexpr double kTight = 0.1;
constexpr double kRelaxed = 0.6;

TEST(EffortController, StartsWithTheLevelAskedForAndKeepsItWhileThereIsTime) {
  Ticker ticker(true);
  EXPECT_EQ(ticker.effort(), SquashEffort::kFull);
  for (int i = 0; i < 100; ++i) {
    ticker.Tick(i % 2 == 0 ? kTight : kRelaxed);
    EXPECT_EQ(ticker.effort(), SquashEffort::kFull);
  }
}

TEST(EffortController, APumpWithoutTimeGoesDownStepByStep) {
  Ticker ticker(true);
  ticker.Tick(kBusy);
  EXPECT_EQ(ticker.effort(), SquashEffort::kFast);
  ticker.Tick(kBusy);
  EXPECT_EQ(ticker.effort(), SquashEffort::kPlain);
  ticker.Tick(kBusy);
  EXPECT_EQ(ticker.effort(), SquashEffort::kPlain);
}

TEST(EffortController, WhereTheLevelAskedForIsTheFastestThereIsOneStep) {
  Ticker ticker(false);
  ticker.Tick(kBusy);
  EXPECT_EQ(ticker.effort(), SquashEffort::kPlain);
  ticker.Until(SquashEffort::kFull, kRelaxed);
  EXPECT_EQ(ticker.effort(), SquashEffort::kFull);
}

TEST(EffortController, GoesUpOnlyAfterTimeToSpareForAWhile) {
  Ticker ticker(true);
  ticker.Tick(kBusy);
  ASSERT_EQ(ticker.effort(), SquashEffort::kFast);
  for (int i = 0; i < 100; ++i) {
    ticker.Tick(kTight);
  }
  EXPECT_EQ(ticker.effort(), SquashEffort::kFast) << "a little time is not enough";
  for (int i = 0; i < 20; ++i) {
    ticker.Tick(kRelaxed);
    ticker.Tick(kRelaxed);
    ticker.Tick(kTight);
  }
  EXPECT_EQ(ticker.effort(), SquashEffort::kFast) << "nor is time now and then";
  EXPECT_GE(ticker.Until(SquashEffort::kFull, kRelaxed), kNanosPerSecond);
}

TEST(EffortController, EachFailedAttemptDoublesTheWaitUpToHalfAMinute) {
  Ticker ticker(true);
  ticker.Tick(kBusy);
  ASSERT_EQ(ticker.effort(), SquashEffort::kFast);
  Nanoseconds expected = kNanosPerSecond;
  for (int attempt = 0; attempt < 8; ++attempt) {
    const Nanoseconds waited = ticker.Until(SquashEffort::kFull, kRelaxed);
    // A tick to find itself relaxed.
    EXPECT_GE(waited, expected) << attempt;
    EXPECT_LE(waited, expected + 2 * kTick) << attempt;
    ticker.Tick(kBusy);
    EXPECT_EQ(ticker.effort(), SquashEffort::kFast);
    expected = std::min(2 * expected, 30 * kNanosPerSecond);
  }
}

TEST(EffortController, AnAttemptThatFailsForLongerCountsAsWell) {
  Ticker ticker(true);
  ticker.Tick(kBusy);
  ticker.Tick(kBusy);
  ASSERT_EQ(ticker.effort(), SquashEffort::kPlain);
  const Nanoseconds first = ticker.Until(SquashEffort::kFast, kRelaxed);
  for (int i = 0; i < 4; ++i) {
    ticker.Tick(kBusy);
  }
  ASSERT_EQ(ticker.effort(), SquashEffort::kPlain);
  EXPECT_GE(ticker.Until(SquashEffort::kFast, kRelaxed), 2 * first - 2 * kTick);
}

TEST(EffortController, AnAttemptThatLastsMakesTheNextWaitShortAgain) {
  Ticker ticker(true);
  ticker.Tick(kBusy);
  for (int attempt = 0; attempt < 4; ++attempt) {
    ticker.Until(SquashEffort::kFull, kRelaxed);
    ticker.Tick(kBusy);
  }
  ticker.Until(SquashEffort::kFull, kRelaxed);
  for (int i = 0; i < 200; ++i) {
    ticker.Tick(kTight);
  }
  ticker.Tick(kBusy);
  ASSERT_EQ(ticker.effort(), SquashEffort::kFast);
  EXPECT_LE(ticker.Until(SquashEffort::kFull, kRelaxed), kNanosPerSecond + 2 * kTick);
}

TEST(EffortController, UpdatesThatComeTooOftenAreTakenTogether) {
  EffortController controller(true);
  Nanoseconds now = kNanosPerSecond;
  controller.Update(now);
  // Busy stretches too short to judge by, with enough waiting between them.
  for (int i = 0; i < 1000; ++i) {
    now += kNanosPerMilli;
    controller.NoteIdle(i % 10 == 0 ? kNanosPerMilli : 0);
    controller.Update(now);
    EXPECT_EQ(controller.effort(), SquashEffort::kFull);
  }
}

}  // namespace
}  // namespace pcap_zmq
