// SPDX-License-Identifier: MIT
//
// Which packets of a stream have not arrived.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/stats.h"

namespace pcap_zmq {

/// The gaps in the ordinals of one stream, of which a bounded number is remembered.
///
/// A gap is open until it is settled: counted as lost, or as unseen where it lies before the first
/// frame.  A settled gap is remembered too, so that packets that arrive after all are told from
/// those that were accepted before; they count as received and as late, and what was counted as
/// lost stays counted.
/// Units:   ordinals count packets from the stream's first one.  `age` is the caller's measure of
///          time, in which gaps grow old; it never falls.
/// Threads: not thread-safe; SenderTable guards it.
class StreamGaps {
 public:
  /// More gaps than this, open or settled, come only from a broken or hostile sender.  Of the open
  /// ones the oldest is then settled early; of the settled ones the first is forgotten, and its
  /// packets are refused from then on.
  static constexpr size_t kMaxGaps = 64;

  /// Starts with a stream of which `first_ordinal` packets were sent before.
  StreamGaps(uint64_t first_ordinal, Nanoseconds age);
  /// Goes on with one of which only this is known any more: all below counts as accepted.
  explicit StreamGaps(uint64_t next_ordinal) : next_ordinal_(next_ordinal) {}

  /// A frame holds the packets [begin, end), of which those from `valid_end` on are damaged and
  /// still missing.  Counts those that are late in `totals`, and what it settles early.
  /// Errors:  false when any of the frame was accepted before; nothing has changed then.
  bool Accept(uint64_t begin, uint64_t valid_end, uint64_t end, Nanoseconds age,
              SenderSnapshot* totals);

  /// The sender says that it has sent all packets before `ordinal`.
  void ReachTo(uint64_t ordinal, Nanoseconds age, SenderSnapshot* totals);

  /// Settles the gaps that were open already at the age `opened_by`.
  void Settle(Nanoseconds opened_by, SenderSnapshot* totals);

  /// Whether all packets below next_ordinal() were accepted.
  bool complete() const { return gaps_.empty(); }
  /// Of the first packet that nothing is known of.
  uint64_t next_ordinal() const { return next_ordinal_; }

 private:
  enum class Kind : uint8_t { kOpen, kUnseen, kSettled };
  // The packets [begin, end); kUnseen is open too.
  struct Gap {
    uint64_t begin = 0;
    uint64_t end = 0;
    Nanoseconds since = 0;
    Kind kind = Kind::kOpen;
  };
  using Iterator = std::vector<Gap>::iterator;

  // The first gap that ends behind `ordinal`.
  Iterator Find(uint64_t ordinal);
  bool AllMissing(uint64_t begin, uint64_t end);
  void Close(uint64_t begin, uint64_t end, SenderSnapshot* totals);
  void Add(uint64_t begin, uint64_t end, Nanoseconds age, Kind kind);
  static void SettleGap(Gap* gap, SenderSnapshot* totals);
  void Bound(SenderSnapshot* totals);

  std::vector<Gap> gaps_;  // by ordinal
  uint64_t next_ordinal_ = 0;
};

}  // namespace pcap_zmq
