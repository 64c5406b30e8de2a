// SPDX-License-Identifier: MIT
//
// Pass, squash or shed: what the watermarks say.  README.md in this folder explains the rules.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <random>

#include "base/clock.h"
#include "base/ip_header.h"
#include "base/packet.h"
#include "base/record_block.h"
#include "base/stats.h"
#include "shaper/rate_meter.h"

namespace pcap_zmq {

struct WatermarkOptions {
  uint64_t low = 0;   ///< bytes a second captured, above which to squash; 0: never
  uint64_t high = 0;  ///< bytes a second on the wire, above which to shed; 0: never
  Nanoseconds window = kNanosPerSecond;
  /// Random and secret in a program: it decides which flows are shed, and those who send them must
  /// not know.  Tests choose one.
  uint64_t seed = 0;
};

/// Decides for one pump.
/// Threads: one pump.
class WatermarkPolicy {
 public:
  explicit WatermarkPolicy(const WatermarkOptions& options);

  /// Takes note of a batch captured at monotonic time `now`, which may be empty, and decides the
  /// state from then on.
  void Observe(Nanoseconds now, uint64_t bytes);

  /// Whether packets are to be merged and packed.
  bool squash() const { return squash_; }
  /// The state to report: kShed while packets are being shed, for a window after the last one too.
  ShaperState state() const;

  /// Takes note of a batch as Observe() does, then hands to `pass`, in order, the packets that may
  /// go on the wire, with budget reserved for them; `pass` may settle.  Returns how many are to be
  /// shed instead: none where `may_shed` is false, for a source that waits until HasBudget().
  template <typename Pass>
  uint64_t Sift(Nanoseconds now, const PacketBatch& batch, bool may_shed, Pass pass);
  /// Whether the wire budget has anything left.
  bool HasBudget() const { return options_.high == 0 || Available() > 0; }

  /// Reserves wire budget for one packet of `raw_bytes` with its record header.
  /// Errors:  false when the packet is to be shed.
  bool Admit(const Packet& packet, uint64_t raw_bytes);
  /// Settles a reservation: the packets took `wire_bytes`, 0 when ZeroMQ refused the frame.
  void Settle(uint64_t raw_bytes, uint64_t wire_bytes);

  uint64_t BytesPerSecond(Nanoseconds now) { return meter_.BytesPerSecond(now); }

 private:
  // Flows by hash, so that a choice can be made among them without remembering each.
  static constexpr size_t kSlots = 1024;

  // Whether a whole batch of `raw_bytes` may pass without asking packet by packet.
  bool AdmitsAll(uint64_t raw_bytes) const;
  // Reserves without asking.
  void Reserve(uint64_t raw_bytes);

  double ReservedWire() const { return static_cast<double>(reserved_raw_) * wire_per_raw_; }
  double Available() const { return tokens_ - ReservedWire(); }
  void AdaptPreference(Nanoseconds now);
  void MeasureSlots(double budget);
  void ChooseSlots();
  size_t SlotOf(const Packet& packet) const;

  const WatermarkOptions options_;
  std::mt19937_64 random_;
  const SecretFlowHash hash_;  // of the slots
  const double capacity_;      // of the bucket, in wire bytes
  RateMeter meter_;
  bool squash_ = false;
  Nanoseconds now_ = 0;
  Nanoseconds last_shed_ = 0;
  bool has_shed_ = false;

  double tokens_;
  uint64_t reserved_raw_ = 0;
  double wire_per_raw_ = 1.0;  // how well frames pack at present

  // While there is too much, flows in preferred slots may spend the whole bucket.
  bool choosing_ = false;
  bool has_measured_ = false;
  std::bitset<kSlots> preferred_;
  std::array<double, kSlots> slot_load_{};  // parts of the budget, averaged
  Nanoseconds interval_start_ = 0;
  double interval_offered_ = 0;                // wire bytes, estimated
  std::array<double, kSlots> slot_offered_{};  // likewise; while choosing
};

template <typename Pass>
uint64_t WatermarkPolicy::Sift(Nanoseconds now, const PacketBatch& batch, bool may_shed,
                               Pass pass) {
  const uint64_t raw_bytes = batch.captured_bytes() + batch.size() * kRecordHeaderBytes;
  Observe(now, batch.captured_bytes());
  uint64_t shed = 0;
  if (!may_shed || AdmitsAll(raw_bytes)) {
    Reserve(raw_bytes);
    for (const Packet& packet : batch.packets()) {
      pass(packet);
    }
  } else {
    for (const Packet& packet : batch.packets()) {
      if (Admit(packet, kRecordHeaderBytes + packet.captured_length)) {
        pass(packet);
      } else {
        ++shed;
      }
    }
  }
  return shed;
}

}  // namespace pcap_zmq
