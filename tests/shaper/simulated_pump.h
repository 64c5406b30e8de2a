// SPDX-License-Identifier: MIT
//
// A pump in simulated time: what a WatermarkPolicy makes of given traffic.  The policy is the real
// one, the frames are numbers, so that hours of GiB/s take seconds.  sender_pump_overload_test.cc
// holds it against the real pump.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/packet.h"
#include "base/record_block.h"
#include "shaper/watermark_policy.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

inline constexpr uint64_t kMiB = 1024 * 1024;

/// A conversation that offers packets of one size, its two directions taking turns.
struct SimulatedFlow {
  SimulatedFlow(uint32_t number, size_t packet_bytes, double flow_share = 1)
      : share(flow_share),
        forward(Ipv4Packet(Body(packet_bytes), number, 0xc0000201, {40'000, 443})),
        reply(Ipv4Packet(Body(packet_bytes), 0xc0000201, number, {443, 40'000})) {}

  SimulatedFlow(Bytes one_way, Bytes other_way)
      : share(1), forward(std::move(one_way)), reply(std::move(other_way)) {}

  double CarriedShare(size_t direction) const {
    return static_cast<double>(carried[direction]) / static_cast<double>(offered[direction]);
  }
  double CarriedShare() const {
    return static_cast<double>(carried[0] + carried[1]) /
           static_cast<double>(offered[0] + offered[1]);
  }

  double share;  ///< of the packets, relative to the other flows'
  Bytes forward;
  Bytes reply;
  uint64_t offered[2] = {0, 0};  ///< packets, by direction
  uint64_t carried[2] = {0, 0};

 private:
  static constexpr size_t kHeaders = 28;
  static std::string Body(size_t packet_bytes) {
    return std::string(std::max(packet_bytes, kHeaders) - kHeaders, 'x');
  }
};

/// Reads batches, has the policy sift them and fills frames; the wire is a table.
class SimulatedPump {
 public:
  /// Told of each batch when it has been dealt with, and of the time since the one before.
  using Tap = std::function<void(Nanoseconds passed, const PacketBatch&)>;

  /// `packing_ratio`: what a byte of a squashed frame takes on the wire.
  SimulatedPump(const WatermarkOptions& options, double packing_ratio)
      : policy_(options), packing_ratio_(packing_ratio) {}

  /// Traffic of `bytes_per_second` for `duration`, drawn from `flows` by their shares.
  void Run(std::vector<SimulatedFlow>* flows, double bytes_per_second, Nanoseconds duration) {
    std::vector<double> shares;
    for (const SimulatedFlow& flow : *flows) {
      shares.push_back(flow.share);
    }
    std::discrete_distribution<size_t> draw(shares.begin(), shares.end());
    const Nanoseconds end = now_ + duration;
    double owed = 0;
    while (now_ < end) {
      now_ += kStep;
      owed += bytes_per_second * kStep / kNanosPerSecond;
      do {
        owed -= ReadBatch(flows, &draw, std::min(owed, kBatchBytes));
      } while (owed > 0);
      wire_.resize(static_cast<size_t>(now_ / kStep));
    }
  }

  void set_packing_ratio(double ratio) { packing_ratio_ = ratio; }
  void set_tap(Tap tap) { tap_ = std::move(tap); }
  /// Makes every frame be refused from now on, as ZeroMQ does when nobody receives.
  void set_refusing(bool refusing) { refusing_ = refusing; }

  const WatermarkPolicy& policy() const { return policy_; }
  uint64_t offered_packets() const { return offered_; }
  uint64_t shed_packets() const { return shed_; }
  /// Packets in the frame that is being filled.
  uint64_t held_packets() const { return frame_packets_; }

  /// Wire bytes of the second that ends at `end`.
  uint64_t SecondUntil(Nanoseconds end) const {
    const auto last = static_cast<size_t>(end / kStep);
    const size_t first = last - static_cast<size_t>(kNanosPerSecond / kStep);
    uint64_t sum = 0;
    for (size_t i = first; i < last; ++i) {
      sum += wire_[i];
    }
    return sum;
  }

  /// The least and the most wire bytes of any second that begins at `from` or later.
  std::pair<uint64_t, uint64_t> SecondsFrom(Nanoseconds from) const {
    std::pair<uint64_t, uint64_t> range{UINT64_MAX, 0};
    const auto total = static_cast<Nanoseconds>(wire_.size()) * kStep;
    for (Nanoseconds end = from + kNanosPerSecond; end <= total; end += 7 * kStep) {
      const uint64_t bytes = SecondUntil(end);
      range = {std::min(range.first, bytes), std::max(range.second, bytes)};
    }
    return range;
  }

 private:
  static constexpr Nanoseconds kStep = kNanosPerMilli;
  static constexpr Nanoseconds kLinger = 50 * kNanosPerMilli;
  static constexpr size_t kPackedTarget = 65'536;
  static constexpr size_t kPlainTarget = 131'072;
  static constexpr size_t kFrameHeader = 48;
  // A clock begins when the machine does, before any program.
  static constexpr Nanoseconds kClockStart = kNanosPerSecond;
  static constexpr double kBatchBytes = 128 * 1024;

  // Takes up to about `bytes` from the flows through the policy; returns how many it took.
  double ReadBatch(std::vector<SimulatedFlow>* flows, std::discrete_distribution<size_t>* draw,
                   double bytes) {
    drawn_.clear();
    batch_.Clear();
    while (static_cast<double>(batch_.captured_bytes()) < bytes) {
      SimulatedFlow& flow = (*flows)[(*draw)(random_)];
      const size_t direction = (flow.offered[0] + flow.offered[1]) % 2;
      ++flow.offered[direction];
      drawn_.push_back({&flow, direction});
      const Bytes& packet = direction == 0 ? flow.forward : flow.reply;
      const auto length = static_cast<uint32_t>(packet.size());
      batch_.Add({now_, packet.data(), length, length});
    }
    offered_ += batch_.size();
    shed_ += policy_.Sift(kClockStart + now_, batch_, /*may_shed=*/true,
                          [this](const Packet& packet) { Pass(packet); });
    if (frame_raw_ > 0 && (!policy_.squash() || now_ >= flush_at_)) {
      Flush();
    }
    if (tap_) {
      tap_(now_ - tapped_, batch_);
      tapped_ = now_;
    }
    return static_cast<double>(batch_.captured_bytes());
  }

  struct Drawn {
    SimulatedFlow* flow;
    size_t direction;
  };

  void Pass(const Packet& packet) {
    const Drawn& drawn = drawn_[static_cast<size_t>(&packet - batch_.packets().data())];
    ++drawn.flow->carried[drawn.direction];
    const size_t raw = kRecordHeaderBytes + packet.captured_length;
    if (frame_raw_ > 0 && frame_raw_ + raw > (policy_.squash() ? kPackedTarget : kPlainTarget)) {
      Flush();
    }
    if (frame_raw_ == 0) {
      flush_at_ = now_ + kLinger;
    }
    frame_raw_ += raw;
    ++frame_packets_;
  }

  void Flush() {
    const double ratio = policy_.squash() ? packing_ratio_ : 1.0;
    const uint64_t wire =
        kFrameHeader + static_cast<uint64_t>(static_cast<double>(frame_raw_) * ratio);
    policy_.Settle(frame_raw_, refusing_ ? 0 : wire);
    wire_.resize(static_cast<size_t>(now_ / kStep));
    wire_.back() += refusing_ ? 0 : wire;
    frame_raw_ = 0;
    frame_packets_ = 0;
  }

  WatermarkPolicy policy_;
  double packing_ratio_;
  bool refusing_ = false;
  std::mt19937 random_{1};
  Nanoseconds now_ = 0;
  std::vector<uint64_t> wire_;  // bytes, by step
  PacketBatch batch_{0};
  std::vector<Drawn> drawn_;  // the batch's, likewise
  Tap tap_;
  Nanoseconds tapped_ = 0;
  size_t frame_raw_ = 0;
  uint64_t frame_packets_ = 0;
  Nanoseconds flush_at_ = 0;
  uint64_t offered_ = 0;
  uint64_t shed_ = 0;
};

/// `count` flows of equal share; flow numbers start at `first`.
inline std::vector<SimulatedFlow> EqualFlows(uint32_t count, size_t packet_bytes,
                                             uint32_t first = 0x0a000000) {
  std::vector<SimulatedFlow> flows;
  flows.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    flows.emplace_back(first + i, packet_bytes);
  }
  return flows;
}

}  // namespace pcap_zmq::testing
