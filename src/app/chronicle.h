// SPDX-License-Identifier: MIT
//
// What the log tells of a run, for who asks later when a receiver was there and what was lost when.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/endpoint_board.h"
#include "base/rate_limit.h"
#include "base/stats.h"

namespace pcap_zmq {

/// Logs when a sender's receivers come and go, and those that stay away: after 10 s, 1 min, and
/// every 10 min.  Of an endpoint that comes and goes all the time it says so now and then.
/// Threads: one.
class ConnectionChronicle {
 public:
  /// `failover`: flows of an endpoint that is away go to the others.
  explicit ConnectionChronicle(bool failover) : failover_(failover) {}

  /// Looks at the endpoints as they are at the monotonic time `now`; call it about once a second.
  void Look(const EndpointRows& endpoints, Nanoseconds now);

 private:
  struct Story {
    bool connected = false;
    bool ever_connected = false;
    Nanoseconds since = 0;        // it is what it is
    Nanoseconds next_word = 0;    // when to say that it is still away
    uint64_t dropped_before = 0;  // when it went away
    RateLimit changes{4, 30 * kNanosPerSecond};
    bool told_away = false;
  };
  void Tell(const EndpointCounts& row, Story* story, Nanoseconds now) const;
  std::string Fate(const EndpointCounts& row, const Story& story) const;

  const bool failover_;
  std::map<std::string, Story> stories_;
};

/// Packets that were lost since the start.
struct LossCount {
  std::string_view kind;  ///< whose: "sender", "output", or "" for the program itself
  std::string who;        ///< of that kind
  std::string_view reason;
  int64_t packets = 0;  ///< less those that came late, of which more may be than were lost
  /// Whether some may have been lost before this program ran, as a sender's own count has it.
  bool older = false;
};

/// Logs once a minute what was lost meanwhile, a line for each who and reason; nothing when nothing
/// was.  In JSON a line has the keys event ("loss"), the kind, reason, packets, from and to as
/// well. Threads: one.
class LossChronicle {
 public:
  static constexpr Nanoseconds kInterval = 60 * kNanosPerSecond;
  /// More lines than this are summed up in one.
  static constexpr size_t kMostLines = 50;

  /// `losses` is asked for all counts, those at 0 included, when a minute is over.
  /// Owns:    borrows `clock`.
  LossChronicle(const Clock* clock, std::function<std::vector<LossCount>()> losses);

  /// Call it about once a second.
  void Look();

 private:
  // What the count was when it was last looked at.
  int64_t& Before(const LossCount& loss);
  void NoteBases(Nanoseconds now);

  const Clock* const clock_;
  const std::function<std::vector<LossCount>()> losses_;
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> before_;
  Nanoseconds next_ = 0;       // monotonic
  Nanoseconds next_base_ = 0;  // when to look who is new
  Nanoseconds from_wall_ = 0;  // when the minute began
};

/// What a sender has lost so far: in the kernel, and dropped by reason.
std::vector<LossCount> LossesOf(const std::vector<const PumpStats*>& pumps);

/// What a receiver knows to be lost: on the way from each sender, in its outputs, and what senders
/// say of themselves.
std::vector<LossCount> LossesOf(const std::vector<SenderSnapshot>& senders,
                                const std::vector<const SinkStats*>& sinks);

}  // namespace pcap_zmq
