// SPDX-License-Identifier: MIT
#include "app/chronicle.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "app/ledger.h"
#include "base/drop_reason.h"
#include "base/log.h"
#include "base/units.h"

namespace pcap_zmq {
namespace {

// A sender that has just come may lose much in its first minute.
constexpr Nanoseconds kBaseInterval = 5 * kNanosPerSecond;

constexpr Nanoseconds kFirstWord = 10 * kNanosPerSecond;
constexpr Nanoseconds kSecondWord = 60 * kNanosPerSecond;
constexpr Nanoseconds kLaterWords = 600 * kNanosPerSecond;

// What is not IP is nothing that the pipe carries, so leaving it out is no loss.
constexpr std::string_view kNoLoss = Label(DropReason::kLinkType);

int64_t Signed(uint64_t count) {
  return static_cast<int64_t>(count);
}

std::string InSeconds(Nanoseconds time) {
  return FormatDuration(time / kNanosPerSecond * kNanosPerSecond);
}

void AddDropped(std::string_view kind, const std::string& who,
                const std::array<uint64_t, kReasonCount<DropReason>>& dropped,
                std::vector<LossCount>* losses) {
  for (size_t i = 0; i < dropped.size(); ++i) {
    if (kDropReasonNames[i] != kNoLoss) {
      losses->push_back({kind, who, kDropReasonNames[i], Signed(dropped[i]), !kind.empty()});
    }
  }
}

}  // namespace

void ConnectionChronicle::Look(const EndpointRows& endpoints, Nanoseconds now) {
  for (const EndpointCounts& row : endpoints) {
    const auto [at, is_new] = stories_.try_emplace(row.endpoint);
    if (is_new) {
      at->second.since = now;
      at->second.next_word = now + kFirstWord;
      at->second.dropped_before = row.dropped_packets;
    }
    Tell(row, &at->second, now);
  }
  std::erase_if(stories_, [&](const auto& story) {
    return std::none_of(endpoints.begin(), endpoints.end(),
                        [&](const EndpointCounts& row) { return row.endpoint == story.first; });
  });
}

void ConnectionChronicle::Tell(const EndpointCounts& row, Story* story, Nanoseconds now) const {
  const Nanoseconds for_so_long = now - story->since;
  uint64_t unsaid = 0;
  if (row.connected && !story->connected) {
    if (story->changes.Take(now, &unsaid) || story->told_away) {
      Log(LogLevel::kInfo,
          "connected to " + row.endpoint + (story->ever_connected ? " again" : "") +
              (for_so_long < kNanosPerSecond ? "" : " after " + InSeconds(for_so_long)));
    }
    *story = {true, true, now, 0, 0, story->changes, false};
  } else if (!row.connected && story->connected) {
    story->connected = false;
    story->since = now;
    story->next_word = now + kFirstWord;
    story->dropped_before = row.dropped_packets;
    if (story->changes.Take(now, &unsaid)) {
      story->told_away = true;
      Log(LogLevel::kWarning,
          "the connection to " + row.endpoint + " is gone" + Fate(row, *story) +
              (unsaid == 0 ? "" : "; it came and went more often than that was said"));
    }
  } else if (!row.connected && now >= story->next_word) {
    story->told_away = true;
    story->next_word = now + (for_so_long < kSecondWord ? kSecondWord - for_so_long : kLaterWords);
    Log(LogLevel::kWarning,
        (story->ever_connected ? "no connection to " + row.endpoint + " for "
                               : "nobody has answered at " + row.endpoint + " for ") +
            InSeconds(for_so_long) + Fate(row, *story));
  }
}

std::string ConnectionChronicle::Fate(const EndpointCounts& row, const Story& story) const {
  const uint64_t dropped =
      row.dropped_packets - std::min(row.dropped_packets, story.dropped_before);
  std::string fate = failover_ ? "; its flows go to the others" : "";
  if (row.buffered_packets > 0 || !failover_) {
    fate += "; " + std::to_string(row.buffered_packets) + " packets wait for it";
  }
  if (dropped > 0) {
    fate += ", " + std::to_string(dropped) + " were dropped";
  }
  return fate;
}

LossChronicle::LossChronicle(const Clock* clock, std::function<std::vector<LossCount>()> losses)
    : clock_(clock),
      losses_(std::move(losses)),
      next_(clock->MonotonicNow() + kInterval),
      from_wall_(clock->WallNow()) {}

void LossChronicle::Look() {
  const Nanoseconds now = clock_->MonotonicNow();
  if (now < next_) {
    NoteBases(now);
    return;
  }
  next_ = now + kInterval;
  const Nanoseconds to_wall = clock_->WallNow();
  const std::string from = LogTime(std::exchange(from_wall_, to_wall));
  const std::string to = LogTime(to_wall);
  size_t lines = 0;
  int64_t unsaid = 0;
  for (const LossCount& loss : losses_()) {
    // What came late is taken off again, and a count that is gone begins anew.
    int64_t& before = Before(loss);
    const int64_t lost = std::max<int64_t>(loss.packets - before, 0);
    before = loss.packets;
    if (lost == 0) {
      continue;
    }
    if (++lines > kMostLines) {
      unsaid += lost;
      continue;
    }
    const std::array<LogField, 6> fields = {{{"event", "loss"},
                                             {loss.kind, loss.who},
                                             {"reason", loss.reason},
                                             {"packets", static_cast<uint64_t>(lost)},
                                             {"from", from},
                                             {"to", to}}};
    Log(LogLevel::kWarning,
        "lost in the last minute: " + std::to_string(lost) + (lost == 1 ? " packet" : " packets") +
            (loss.who.empty() ? "" : " of " + loss.who) + " (" + std::string(loss.reason) + ")",
        fields);
  }
  if (unsaid > 0) {
    Log(LogLevel::kWarning, "lost in the last minute: " + std::to_string(unsaid) +
                                " more packets, of " + std::to_string(lines - kMostLines) +
                                " further senders or reasons");
  }
}

int64_t& LossChronicle::Before(const LossCount& loss) {
  return before_
      .try_emplace({std::string(loss.kind), loss.who, std::string(loss.reason)},
                   loss.older ? loss.packets : 0)
      .first->second;
}

// Of a sender that is new, what it had lost before; what it loses from then on counts.
void LossChronicle::NoteBases(Nanoseconds now) {
  if (now < next_base_) {
    return;
  }
  next_base_ = now + kBaseInterval;
  for (const LossCount& loss : losses_()) {
    if (loss.older) {
      Before(loss);
    }
  }
}

std::vector<LossCount> LossesOf(const std::vector<const PumpStats*>& pumps) {
  const SenderLedger ledger = SumLedger(pumps);
  std::vector<LossCount> losses = {{"", "", "kernel", Signed(ledger.kernel_lost)}};
  AddDropped("", "", ledger.dropped, &losses);
  return losses;
}

std::vector<LossCount> LossesOf(const std::vector<SenderSnapshot>& senders,
                                const std::vector<const SinkStats*>& sinks) {
  std::vector<LossCount> losses;
  for (const SenderSnapshot& sender : senders) {
    losses.push_back({"sender", sender.name, "network",
                      Signed(sender.lost_packets) - Signed(sender.late_packets)});
    losses.push_back(
        {"sender", sender.name, "kernel", Signed(sender.totals.kernel_lost_packets), true});
    AddDropped("sender", sender.name, sender.totals.dropped_packets, &losses);
  }
  for (const SinkStats* sink : sinks) {
    for (size_t i = 0; i < kReasonCount<SinkDropReason>; ++i) {
      losses.push_back({"output", sink->label, kSinkDropReasonNames[i],
                        Signed(sink->dropped.Value(static_cast<SinkDropReason>(i)))});
    }
  }
  return losses;
}

}  // namespace pcap_zmq
