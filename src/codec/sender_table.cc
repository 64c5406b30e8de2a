// SPDX-License-Identifier: MIT
#include "codec/sender_table.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/sender_name.h"

namespace pcap_zmq {

SenderTable::SenderTable(size_t max_senders, const Clock* clock)
    : max_senders_(max_senders), clock_(clock), last_turn_(clock->MonotonicNow()) {}

bool SenderTable::Accept(const FrameHeader& header, uint32_t valid_packets, uint64_t bytes,
                         const SenderKey& sender_key) {
  const Nanoseconds now = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  Stream* stream = FindOrAddStream(header, sender_key, now);
  const uint64_t begin = header.first_ordinal;
  SenderSnapshot& totals = stream->sender->totals;
  if (!stream->gaps.Accept(begin, begin + valid_packets, begin + header.packet_count, age_,
                           &totals)) {
    return false;
  }
  ++totals.frames;
  totals.packets += valid_packets;
  totals.bytes += bytes;
  return true;
}

void SenderTable::AcceptControl(const FrameHeader& header, const ControlReport& report,
                                const SenderKey& sender_key) {
  const Nanoseconds now = clock_->MonotonicNow();
  const std::lock_guard lock(mutex_);
  Stream* stream = FindOrAddStream(header, sender_key, now);
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
  totals.totals = report.totals;
}

bool SenderTable::BelongsTo(uint64_t stream_id, const SenderKey& sender_key) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(stream_id);
  return found == streams_.end() || found->second.key == sender_key.key;
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
    all.back().seconds_since_heard =
        static_cast<double>(now - sender.last_heard) / static_cast<double>(kNanosPerSecond);
  }
  std::sort(all.begin(), all.end(),
            [](const SenderSnapshot& a, const SenderSnapshot& b) { return a.name < b.name; });
  return all;
}

std::vector<SenderTable::Position> SenderTable::Positions() const {
  const std::lock_guard lock(mutex_);
  std::vector<Position> all;
  all.reserve(heard_.size());
  for (auto id = heard_.rbegin(); id != heard_.rend(); ++id) {
    const Stream& stream = streams_.at(*id);
    const std::string& name = stream.sender->totals.name;
    all.push_back({name.empty() ? std::string(kUnnamedSender) : name, stream.gaps.next_ordinal()});
  }
  return all;
}

SenderTable::Stream* SenderTable::FindOrAddStream(const FrameHeader& header,
                                                  const SenderKey& sender_key, Nanoseconds now) {
  auto found = streams_.find(header.stream_id);
  if (found == streams_.end()) {
    if (streams_.size() >= 4 * max_senders_) {
      EvictOldestStream();
    }
    found = streams_.try_emplace(header.stream_id, StreamGaps(header.first_ordinal, age_)).first;
    Stream& stream = found->second;
    stream.place = heard_.insert(heard_.end(), header.stream_id);
    stream.sender = &stream.unclaimed;
    stream.first_heard = age_;
    stream.key = sender_key.key;
  }
  Stream& stream = found->second;
  if (!sender_key.key.empty()) {
    NameByKey(&stream, sender_key);
  }
  heard_.splice(heard_.end(), heard_, stream.place);
  stream.last_heard = now;
  stream.sender->last_heard = now;
  return &stream;
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

void SenderTable::EvictOldestStream() {
  const auto oldest = streams_.find(heard_.front());
  oldest->second.gaps.Settle(age_, &oldest->second.sender->totals);
  if (oldest->second.sender == &oldest->second.unclaimed) {
    NameStream(&oldest->second, oldest->second.group, kUnnamedSender);
  }
  streams_.erase(oldest);
  heard_.pop_front();
}

}  // namespace pcap_zmq
