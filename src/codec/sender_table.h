// SPDX-License-Identifier: MIT
//
// What the receiver knows of its senders: which packets of each stream came, which never did, and
// what the senders say of themselves.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/rate_limit.h"
#include "base/sender_key.h"
#include "base/stats.h"
#include "codec/clock_offset.h"
#include "codec/control_frame.h"
#include "codec/fair_places.h"
#include "codec/frame_format.h"
#include "codec/instance_totals.h"
#include "codec/stream_gaps.h"

namespace pcap_zmq {

/// Accounts of streams and senders, bounded whatever arrives.
///
/// A stream's packets count for the sender that its control frames name.  After an outage a stream
/// starts with the data that had waited, so its packets are held back from the snapshots until it
/// is named, and count for "unnamed" if that does not happen within kNamingTime.  Names beyond the
/// limit count for "other".  Of several processes of one name, their packets add up and so do the
/// totals that they report.
///
/// Where senders have keys, a stream belongs to the key that it was first heard of with: it counts
/// under that key's name from the start, whatever its control frames say.  Under the key of a group
/// it waits for its control frame, as without keys, and then counts for "GROUP@NAME":
/// "GROUP@unnamed" without one, and "GROUP@other" beyond the limit, so that it never leaves its
/// group.
///
/// Gaps, and streams without a name, age only while the receiver receives, which Age() tells:
/// frames that wait in the receiver itself because a reader hangs are not lost, and what they would
/// name is not nameless.
/// Threads: any; the decoder writes and the metrics endpoint takes snapshots.
class SenderTable {
 public:
  /// A gap in a stream's ordinals is settled as lost when it has stayed open for this long, in
  /// time during which the receiver received.
  static constexpr Nanoseconds kSettleTime = 2 * kNanosPerSecond;

  /// A turn of a receiver that keeps up is shorter than this.
  static constexpr Nanoseconds kLongestTurn = 100 * kNanosPerMilli;

  /// A stream without a control frame for so long is reported as "unnamed", in the same time.
  static constexpr Nanoseconds kNamingTime = 10 * kNanosPerSecond;

  /// `max_clock_skew` (0: any) is what a sender's clock may be off before the times of its packets
  /// are moved, by as much as its reports say.
  ///
  /// `max_senders` different names are reported, beside those of the sums.  Four times as many
  /// streams have a place, which keys share fairly; the one not heard of for longest goes.  Of
  /// sixteen times as many that had one, and have ended or had to go, it is remembered how far they
  /// had come: they go on from there, and what is repeated of them is refused.  `clock` outlives
  /// the table.
  SenderTable(size_t max_senders, const Clock* clock, Nanoseconds max_clock_skew = 0);

  /// Accounts for a data frame of which `valid_packets` are usable, `bytes` long with their record
  /// headers.
  /// Returns what to add to the times of its packets.
  /// Errors:  nothing when packets of the frame were accepted before: do not deliver them.
  std::optional<Nanoseconds> Accept(const FrameHeader& header, uint32_t valid_packets,
                                    uint64_t bytes, const SenderKey& sender_key = {});

  /// Accounts for a control frame.  With the stream's last one the stream is forgotten, as soon as
  /// nothing is missing of it that may still arrive.
  void AcceptControl(const FrameHeader& header, const ControlReport& report,
                     const SenderKey& sender_key = {});

  /// Whether the stream is that key's, or nobody's yet.
  bool BelongsTo(uint64_t stream_id, const SenderKey& sender_key) const;

  /// Accounts for a message of the 2012 sender.
  void AcceptLegacy(uint32_t packets, uint64_t bytes, const SenderKey& sender_key = {});

  /// Lets gaps age by the time since the last call, but by no more than kLongestTurn.  Call it once
  /// a turn of the loop that receives: a longer turn is one that waited for an output.
  void Age();

  /// Settles gaps that have been open for `open_for`.  Call about once a second, and at last with 0
  /// for what cannot close any more.
  void Settle(Nanoseconds open_for = kSettleTime);

  /// Up to where a stream was received.
  struct Position {
    std::string name;           ///< of its sender
    uint64_t next_ordinal = 0;  ///< of the first packet that has not arrived
  };

  /// The positions of streams, the last one heard of first: of as many as go on, and where these
  /// are fewer than 32, of the last ones that have ended.
  std::vector<Position> Positions() const;

  /// All senders heard of, by name.
  std::vector<SenderSnapshot> Snapshot() const;

 private:
  struct Sender {
    SenderSnapshot totals;
    InstanceTotals reported;
    Nanoseconds last_heard = 0;
  };
  struct Stream {
    explicit Stream(StreamGaps what_is_missing) : gaps(std::move(what_is_missing)) {}

    Sender* sender = nullptr;     // `unclaimed` until the stream is named
    Sender unclaimed;             // what is not in any snapshot yet
    std::string key;              // of its sender; empty where senders have none
    std::string group;            // "GROUP@" where a group shares the key
    std::string claimed;          // what its control frame calls it, where that counts
    Nanoseconds first_heard = 0;  // by age_
    StreamGaps gaps;
    ClockOffset clock_offset;
    ClockShift clock_shift;
    Nanoseconds last_heard = 0;
    bool finished = false;  // its sender has said that nothing more comes
    FairPlaces::Place place;
  };
  // What is left of a stream that has no place any more.
  struct PastStream {
    Sender* sender = nullptr;
    std::string key;
    std::string group;
    std::string claimed;
    uint64_t next_ordinal = 0;
    Nanoseconds last_heard = 0;
    bool finished = false;
    FairPlaces::Place place;
  };
  using Streams = std::unordered_map<uint64_t, Stream>;

  // Nullptr when the frame says nothing new of a stream that has no place any more.
  Stream* FindOrAddStream(const FrameHeader& header, const SenderKey& sender_key, Nanoseconds now);
  Streams::iterator AddStream(const FrameHeader& header, const SenderKey& sender_key);
  // Gives the stream the name of its key, as far as that is all of it.
  void NameByKey(Stream* stream, const SenderKey& sender_key);
  // The stream's packets count for `name` of `group` from now on, and so do those that nobody had
  // claimed.
  void NameStream(Stream* stream, std::string_view group, std::string_view name);
  Sender* FindOrAddSender(std::string_view group, std::string_view name);
  // Takes the stream's place, and remembers how far it had come.
  void Forget(Streams::iterator found);
  void ForgetIfFinished(uint64_t stream_id, const Stream& stream);
  void NoteClock(const ControlReport& report, Stream* stream);

  const size_t max_senders_;
  const Clock* const clock_;
  const Nanoseconds max_clock_skew_;
  mutable std::mutex mutex_;
  // All below are guarded by mutex_.
  Nanoseconds age_ = 0;  // of the table, in time during which the receiver received
  Nanoseconds last_turn_;
  RateLimit clock_words_{20, 60 * kNanosPerSecond};
  // Senders are never removed: Stream points at them.
  std::unordered_map<std::string, Sender> senders_;
  Streams streams_;
  FairPlaces places_;                              // of streams_
  std::unordered_map<uint64_t, PastStream> past_;  // none that is in streams_
  FairPlaces past_places_;                         // of past_
};

}  // namespace pcap_zmq
