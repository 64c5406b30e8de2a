// SPDX-License-Identifier: MIT
#include "codec/sender_table.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/sender_name.h"
#include "base/units.h"

namespace pcap_zmq {
namespace {

// For each sender that is told apart.
constexpr size_t kStreams = 4;
constexpr size_t kPastStreams = 16;

// Of streams that have ended so many have a position, less those that go on.
constexpr size_t kPositions = 32;

}  // namespace

SenderTable::SenderTable(size_t max_senders, const Clock* clock, Nanoseconds max_clock_skew)
    : max_senders_(max_senders),
      clock_(clock),
      max_clock_skew_(max_clock_skew),
      last_turn_(clock->MonotonicNow()) {}

std::optional<Nanoseconds> SenderTable::Accept(const FrameHeader& header, uint32_t valid_packets,
                                               uint64_t bytes, const SenderKey& sender_key) {
  const Nanoseconds now = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  Stream* stream = FindOrAddStream(header, sender_key, now);
  if (stream == nullptr) {
    return std::nullopt;
  }
  const uint64_t begin = header.first_ordinal;
  SenderSnapshot& totals = stream->sender->totals;
  if (!stream->gaps.Accept(begin, begin + valid_packets, begin + header.packet_count, age_,
                           &totals)) {
    return std::nullopt;
  }
  ++totals.frames;
  totals.packets += valid_packets;
  totals.bytes += bytes;
  const Nanoseconds shift = stream->clock_shift.value();
  if (shift != 0) {
    totals.shifted_packets += valid_packets;
  }
  ForgetIfFinished(header.stream_id, *stream);
  return shift;
}

void SenderTable::AcceptControl(const FrameHeader& header, const ControlReport& report,
                                const SenderKey& sender_key) {
  const Nanoseconds now = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  Stream* stream = FindOrAddStream(header, sender_key, now);
  if (stream == nullptr) {
    return;  // a report that the last one had overtaken
  }
  stream->gaps.ReachTo(header.first_ordinal, age_, &stream->sender->totals);
  if ((sender_key.key.empty() || sender_key.IsGroup()) &&
      (stream->sender == &stream->unclaimed || stream->claimed != report.name)) {
    stream->claimed = report.name;
    NameStream(stream, stream->group, stream->claimed);
  }
  Sender* sender = stream->sender;
  sender->last_heard = now;
  SenderSnapshot& totals = sender->totals;
  ++totals.frames;
  totals.version = report.version;
  totals.has_totals = true;
  sender->reported.Report(report.instance, report.totals, header.last, age_);
  NoteClock(report, stream);
  if (header.last && !stream->finished) {
    stream->finished = true;
    FairPlaces::MarkSpare(&stream->place);
  }
  ForgetIfFinished(header.stream_id, *stream);
}

void SenderTable::NoteClock(const ControlReport& report, Stream* stream) {
  // The last one that a packet's time can hold, in 2106.
  constexpr uint64_t kLastMicro = 4'294'967'295'999'999;
  if (report.clock_micros == 0 || report.clock_micros > kLastMicro) {
    return;
  }
  const Nanoseconds now = clock_->MonotonicNow();
  stream->clock_offset.Report(static_cast<Nanoseconds>(report.clock_micros) * kNanosPerMicro,
                              clock_->WallNow(), now);
  const Nanoseconds offset = *stream->clock_offset.value();
  SenderSnapshot& totals = stream->sender->totals;
  totals.clock_offset_seconds = static_cast<double>(offset) / kNanosPerSecond;
  uint64_t unsaid = 0;
  // What waited on its way looks as if the clock were behind.
  const bool may_have_waited = offset < -max_clock_skew_ && !stream->clock_offset.settled();
  if (max_clock_skew_ == 0 || may_have_waited ||
      !stream->clock_shift.Follow(offset, max_clock_skew_) || !clock_words_.Take(now, &unsaid)) {
    return;
  }
  if (stream->clock_shift.value() == 0) {
    Log(LogLevel::kInfo,
        "the clock of " + totals.name + " is right again; its packets keep their times");
    return;
  }
  Log(LogLevel::kWarning, "the clock of " + totals.name + " is " +
                              FormatDuration(std::abs(offset) / kNanosPerMilli * kNanosPerMilli) +
                              (offset > 0 ? " ahead" : " behind") +
                              "; the times of its packets are moved by that");
}

bool SenderTable::BelongsTo(uint64_t stream_id, const SenderKey& sender_key) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(stream_id);
  if (found != streams_.end()) {
    return found->second.key == sender_key.key;
  }
  const auto past = past_.find(stream_id);
  return past == past_.end() || past->second.key == sender_key.key;
}

void SenderTable::AcceptLegacy(uint32_t packets, uint64_t bytes, const SenderKey& sender_key) {
  const std::lock_guard lock(mutex_);
  // They do not say who they are.
  Sender* sender = sender_key.key.empty() || sender_key.IsGroup()
                       ? FindOrAddSender(sender_key.name, kLegacySenders)
                       : FindOrAddSender({}, sender_key.name);
  sender->last_heard = clock_->MonotonicNow();
  ++sender->totals.frames;
  sender->totals.packets += packets;
  sender->totals.bytes += bytes;
}

void SenderTable::Age() {
  const Nanoseconds now = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  age_ += std::min(now - last_turn_, kLongestTurn);
  last_turn_ = now;
}

void SenderTable::Settle(Nanoseconds open_for) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, stream] : streams_) {
    stream.gaps.Settle(age_ - open_for, &stream.sender->totals);
    if (stream.sender == &stream.unclaimed && age_ - stream.first_heard >= kNamingTime) {
      NameStream(&stream, stream.group, kUnnamedSender);
    }
  }
}

std::vector<SenderSnapshot> SenderTable::Snapshot() const {
  const Nanoseconds now = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  std::vector<SenderSnapshot> all;
  all.reserve(senders_.size());
  for (const auto& [name, sender] : senders_) {
    all.push_back(sender.totals);
    all.back().totals = sender.reported.Sum();
    all.back().seconds_since_heard =
        static_cast<double>(now - sender.last_heard) / static_cast<double>(kNanosPerSecond);
  }
  std::sort(all.begin(), all.end(),
            [](const SenderSnapshot& a, const SenderSnapshot& b) { return a.name < b.name; });
  return all;
}

std::vector<SenderTable::Position> SenderTable::Positions() const {
  const std::lock_guard lock(mutex_);
  struct Heard {
    Nanoseconds last = 0;
    const Sender* sender = nullptr;
    uint64_t next_ordinal = 0;
  };
  std::vector<Heard> streams;
  streams.reserve(streams_.size() + past_.size());
  for (const auto& [id, stream] : streams_) {
    streams.push_back({stream.last_heard, stream.sender, stream.gaps.next_ordinal()});
  }
  for (const auto& [id, past] : past_) {
    streams.push_back({past.last_heard, past.sender, past.next_ordinal});
  }
  std::sort(streams.begin(), streams.end(),
            [](const Heard& one, const Heard& other) { return one.last > other.last; });
  const size_t wanted = std::max(streams_.size(), std::min(kPositions, kStreams * max_senders_));
  streams.resize(std::min(streams.size(), wanted));
  std::vector<Position> all;
  all.reserve(streams.size());
  for (const Heard& stream : streams) {
    const std::string& name = stream.sender->totals.name;
    all.push_back({name.empty() ? std::string(kUnnamedSender) : name, stream.next_ordinal});
  }
  return all;
}

SenderTable::Stream* SenderTable::FindOrAddStream(const FrameHeader& header,
                                                  const SenderKey& sender_key, Nanoseconds now) {
  auto found = streams_.find(header.stream_id);
  if (found == streams_.end()) {
    found = AddStream(header, sender_key);
    if (found == streams_.end()) {
      return nullptr;
    }
  }
  Stream& stream = found->second;
  if (!sender_key.key.empty()) {
    NameByKey(&stream, sender_key);
  }
  FairPlaces::Use(stream.place);
  stream.last_heard = now;
  stream.sender->last_heard = now;
  return &stream;
}

SenderTable::Streams::iterator SenderTable::AddStream(const FrameHeader& header,
                                                      const SenderKey& sender_key) {
  const auto past = past_.find(header.stream_id);
  Stream stream{past == past_.end() ? StreamGaps(header.first_ordinal, age_)
                                    : StreamGaps(past->second.next_ordinal)};
  stream.first_heard = age_;
  stream.key = sender_key.key;
  if (past != past_.end()) {
    PastStream& known = past->second;
    const bool is_old = header.control
                            ? known.finished && header.first_ordinal <= known.next_ordinal
                            : header.first_ordinal < known.next_ordinal;
    if (is_old) {
      return streams_.end();
    }
    stream.sender = known.sender;
    stream.group = std::move(known.group);
    stream.claimed = std::move(known.claimed);
    past_places_.Remove(known.place);
    past_.erase(past);
  }
  if (streams_.size() >= kStreams * max_senders_) {
    Forget(streams_.find(places_.NextToGo(sender_key.key)));
  }
  const auto added = streams_.try_emplace(header.stream_id, std::move(stream)).first;
  Stream& at_its_place = added->second;
  at_its_place.place = places_.Add(sender_key.key, header.stream_id);
  if (at_its_place.sender == nullptr) {
    at_its_place.sender = &at_its_place.unclaimed;
  }
  return added;
}

// At the stream's first frame, and when its key has got another name since.
void SenderTable::NameByKey(Stream* stream, const SenderKey& sender_key) {
  const bool is_named = stream->sender != &stream->unclaimed;
  if (!sender_key.IsGroup()) {
    stream->group.clear();
    if (stream->sender->totals.name != sender_key.name) {
      NameStream(stream, {}, sender_key.name);
    }
  } else if (stream->group != sender_key.name) {
    stream->group = sender_key.name;
    if (is_named) {
      NameStream(stream, stream->group, stream->claimed);
    }
  }
}

void SenderTable::NameStream(Stream* stream, std::string_view group, std::string_view name) {
  Sender* sender = FindOrAddSender(group, name);
  if (stream->sender == &stream->unclaimed) {
    SenderSnapshot& to = sender->totals;
    const SenderSnapshot& from = stream->unclaimed.totals;
    to.frames += from.frames;
    to.packets += from.packets;
    to.bytes += from.bytes;
    to.lost_packets += from.lost_packets;
    to.late_packets += from.late_packets;
    to.unseen_packets += from.unseen_packets;
    to.shifted_packets += from.shifted_packets;
    sender->last_heard = stream->last_heard;
  }
  stream->sender = sender;
}

SenderTable::Sender* SenderTable::FindOrAddSender(std::string_view group, std::string_view name) {
  name = name.empty() ? kUnnamedSender : name;
  std::string key = std::string(group).append(name);
  if (!IsReservedSenderName(name) && !senders_.contains(key) && senders_.size() >= max_senders_) {
    key = std::string(group).append(kOtherSenders);
  }
  Sender& sender = senders_[key];
  sender.totals.name = key;
  return &sender;
}

void SenderTable::Forget(Streams::iterator found) {
  Stream& stream = found->second;
  stream.gaps.Settle(age_, &stream.sender->totals);
  if (stream.sender == &stream.unclaimed) {
    NameStream(&stream, stream.group, kUnnamedSender);
  }
  if (past_.size() >= kPastStreams * max_senders_) {
    const auto oldest = past_.find(past_places_.NextToGo(stream.key));
    past_places_.Remove(oldest->second.place);
    past_.erase(oldest);
  }
  PastStream& past = past_[found->first];
  past.sender = stream.sender;
  past.group = std::move(stream.group);
  past.claimed = std::move(stream.claimed);
  past.next_ordinal = stream.gaps.next_ordinal();
  past.last_heard = stream.last_heard;
  past.finished = stream.finished;
  past.place = past_places_.Add(stream.key, found->first);
  if (past.finished) {
    FairPlaces::MarkSpare(&past.place);
  }
  past.key = std::move(stream.key);
  places_.Remove(stream.place);
  streams_.erase(found);
}

// Frames that the last one overtook may still arrive; of a stream that misses any, the gaps are
// kept until its place is needed.
void SenderTable::ForgetIfFinished(uint64_t stream_id, const Stream& stream) {
  if (stream.finished && stream.gaps.complete()) {
    Forget(streams_.find(stream_id));
  }
}

}  // namespace pcap_zmq
