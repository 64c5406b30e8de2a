// SPDX-License-Identifier: MIT
//
// A packet source that does what the test has written down, in time that the test owns.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/packet.h"
#include "base/stats.h"
#include "source/packet_source.h"
#include "tests/support/fake_clock.h"
#include "tests/support/packet_builder.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {

/// Plays its steps one after another, then says that the input has ended.  While the pump waits,
/// the clock moves; nothing else moves it.  Checks that it is used as packet_source.h asks.
class ScriptedSource final : public PacketSource {
 public:
  using Batch = std::vector<Bytes>;

  /// Adds itself to `stats->sources` and counts there what it captures.
  ScriptedSource(FakeClock* clock, PumpStats* stats) : clock_(clock) {
    stats_ = &stats->sources.emplace_back("script");
  }

  /// The next batch, captured at the moment when it is read.
  void Packets(Batch batch) { Packets(std::make_shared<const Batch>(std::move(batch))); }
  void Packets(std::shared_ptr<const Batch> batch) {
    steps_.push_back([this, batch = std::move(batch)](PacketBatch* out, Nanoseconds*) {
      Capture(*batch, out);
      return Step::kReturn;
    });
  }

  /// No packets for `duration`.
  void Pause(Nanoseconds duration) {
    steps_.push_back([this, left = duration](PacketBatch*, Nanoseconds* timeout) mutable {
      const Nanoseconds waited = stopped_ ? 0 : std::min(left, *timeout);
      clock_->Advance(waited);
      *timeout -= waited;
      left -= waited;
      return left == 0 || stopped_ ? Step::kNext : Step::kAgain;
    });
  }

  /// Does `work`, in the pump's thread, before the next packets.
  void Then(std::function<void()> work) {
    steps_.push_back([work = std::move(work)](PacketBatch*, Nanoseconds*) {
      work();
      return Step::kNext;
    });
  }

  /// No packets until `condition` holds, however long that takes on the scripted clock.
  void Until(std::function<bool()> condition) {
    steps_.push_back([this, condition = std::move(condition), tries = 0](
                         PacketBatch*, Nanoseconds* timeout) mutable {
      if (condition() || stopped_) {
        return Step::kNext;
      }
      if (++tries > kGenerously.count()) {
        ADD_FAILURE() << "what the script waits for does not happen";
        return Step::kNext;
      }
      clock_->Advance(std::exchange(*timeout, 0));
      // For what other threads have to do first.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return Step::kAgain;
    });
  }

  /// Called whenever the pump asks for packets.
  void AtEachRead(std::function<void()> observer) { observer_ = std::move(observer); }

  ReadStatus Read(PacketBatch* batch, Nanoseconds timeout) override {
    EXPECT_GE(timeout, 0);
    EXPECT_TRUE(!stopped_ || timeout == 0) << "a pump that stops has nothing to wait for";
    if (observer_) {
      observer_();
    }
    batch->Clear();
    while (!steps_.empty()) {
      const Step outcome = steps_.front()(batch, &timeout);
      if (outcome == Step::kAgain) {
        return ReadStatus::kNothing;
      }
      steps_.pop_front();
      if (outcome == Step::kReturn) {
        return ReadStatus::kPackets;
      }
    }
    return ReadStatus::kEnd;
  }

  size_t BatchBytes() const override { return size_t{4} * 1024 * 1024; }

  void FollowRate(Nanoseconds now) override {
    // A test may turn the clock in a thread of its own.
    EXPECT_LE(now, clock_->MonotonicNow());
    followed_at_.push_back(now);
  }
  /// When the pump had it follow the rate.
  const std::vector<Nanoseconds>& followed_at() const { return followed_at_; }

  void StopIntake() override {
    EXPECT_FALSE(stopped_) << "called once";
    stopped_ = true;
  }
  /// May be asked from any thread while the pump runs.
  bool stopped() const { return stopped_; }

  /// All packets captured so far as records of a capture file.
  const Bytes& records() const { return records_; }

 private:
  enum class Step {
    kReturn,  // done; the batch is filled
    kNext,    // done
    kAgain,   // not done; nothing for the pump
  };

  void Capture(const Batch& packets, PacketBatch* out) {
    const Nanoseconds now = clock_->WallNow();
    for (const Bytes& bytes : packets) {
      const auto length = static_cast<uint32_t>(bytes.size());
      EXPECT_TRUE(out->Append({now, bytes.data(), length, length})) << "the script's batch is big";
      AppendRecord(&records_, bytes, now);
    }
    stats_->captured_packets.Add(out->size());
    stats_->captured_bytes.Add(out->captured_bytes());
  }

  FakeClock* const clock_;
  SourceStats* stats_;
  std::deque<std::function<Step(PacketBatch*, Nanoseconds*)>> steps_;
  std::function<void()> observer_;
  Bytes records_;
  std::vector<Nanoseconds> followed_at_;
  std::atomic<bool> stopped_{false};
};

}  // namespace pcap_zmq::testing
