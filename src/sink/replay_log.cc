// SPDX-License-Identifier: MIT
#include "sink/replay_log.h"

#include <algorithm>
#include <utility>

#include "sink/pcap_format.h"

namespace pcap_zmq {
namespace {

// Small blocks are gathered in pieces of this size.
constexpr size_t kCopyBytes = 16 * kSmallBlockBytes;
// Of those that are done, as many are kept as hold what is in a full pipe, 1 MiB.
constexpr size_t kSpareCopies = 16;
// What a block may keep beside its records without being copied: frames of ours are rarely larger.
constexpr size_t kToleratedWaste = size_t{128} * 1024;

}  // namespace

ReplayLog::ReplayLog() {
  spare_copies_.reserve(kSpareCopies);
}

void ReplayLog::Append(const RecordBlockPtr& block) {
  const std::span<const uint8_t> records = block->records;
  if (records.empty()) {
    return;
  }
  if (records.size() >= kSmallBlockBytes) {
    Segment* segment = Push();
    const bool is_sparse = block->storage.capacity() > records.size() + kToleratedWaste;
    segment->block = is_sparse ? Compact(block) : block;
    segment->packets = block->packet_count;
  } else {
    // Spans into `copy` stay valid because it never grows beyond what was reserved.
    if (segments_.empty() || segments_.back().block != nullptr ||
        segments_.back().copy.capacity() - segments_.back().copy.size() < records.size()) {
      Push()->copy = TakeCopy();
    }
    Segment& last = segments_.back();
    last.copy.insert(last.copy.end(), records.begin(), records.end());
    last.packets += block->packet_count;
  }
  end_ += records.size();
  appended_packets_ += block->packet_count;
}

ReplayLog::Segment* ReplayLog::Push() {
  Segment& segment = segments_.Push();
  segment.begin = end_;
  return &segment;
}

std::vector<uint8_t> ReplayLog::TakeCopy() {
  std::vector<uint8_t> copy;
  if (!spare_copies_.empty()) {
    copy = std::move(spare_copies_.back());
    spare_copies_.pop_back();
  }
  copy.reserve(kCopyBytes);
  return copy;
}

size_t ReplayLog::Find(uint64_t position) const {
  // With a reader that keeps up it is the last one.
  if (segments_.empty() || segments_.back().end() <= position) {
    return segments_.size();
  }
  if (segments_.back().begin <= position) {
    return segments_.size() - 1;
  }
  size_t low = 0;
  size_t high = segments_.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (segments_[middle].end() <= position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::span<const uint8_t> ReplayLog::Unwritten() const {
  const size_t index = Find(position_);
  if (index == segments_.size()) {
    return {};
  }
  const Segment& segment = segments_[index];
  return segment.bytes().subspan(static_cast<size_t>(position_ - segment.begin));
}

bool ReplayLog::InsideRecord() {
  Count();
  return tallied_to_ != position_;
}

std::span<const uint8_t> ReplayLog::UnwrittenRecords(size_t limit) {
  const size_t index = Find(position_);
  if (index == segments_.size()) {
    return {};
  }
  const Segment& segment = segments_[index];
  const auto after_record = [&segment](uint64_t at) {
    return at + RecordSize(segment.bytes().data() + (at - segment.begin));
  };
  Count();
  uint64_t end = after_record(tallied_to_);
  if (tallied_to_ == position_) {
    while (end < segment.end() && after_record(end) - position_ <= limit) {
      end = after_record(end);
    }
  }
  return segment.bytes().subspan(static_cast<size_t>(position_ - segment.begin),
                                 static_cast<size_t>(end - position_));
}

void ReplayLog::MarkWritten(size_t bytes) {
  position_ += bytes;
}

ReplayLog::Tally ReplayLog::TakeTally() {
  Count();
  const Tally tally = tally_;
  tally_ = {};
  return tally;
}

void ReplayLog::Count() {
  for (size_t i = Find(tallied_to_); i < segments_.size() && tallied_to_ < position_; ++i) {
    Segment& segment = segments_[i];
    const uint64_t segment_end = segment.end();
    const bool all_first = tallied_to_ >= first_to_;
    const bool all_again = segment_end <= first_to_;
    if (position_ < segment_end || (!all_first && !all_again)) {
      if (!CountRecords(&segment)) {
        return;
      }
      continue;
    }
    const uint64_t packets = segment.packets - segment.tallied;
    segment.tallied = segment.packets;
    tallied_to_ = segment_end;
    if (all_first) {
      tally_.first += packets;
      first_packets_ += packets;
      first_to_ = segment_end;
    } else {
      tally_.again += packets;
    }
  }
}

bool ReplayLog::CountRecords(Segment* segment) {
  const uint64_t segment_end = segment->end();
  while (tallied_to_ < segment_end) {
    const uint64_t next =
        tallied_to_ + RecordSize(segment->bytes().data() + (tallied_to_ - segment->begin));
    if (next > position_) {
      return false;
    }
    tallied_to_ = next;
    ++segment->tallied;
    if (next <= first_to_) {
      ++tally_.again;
    } else {
      ++tally_.first;
      ++first_packets_;
      first_to_ = next;
    }
  }
  return true;
}

uint64_t ReplayLog::TakenTo(uint64_t unread) const {
  // More bytes unread than records written: the rest of them are the capture header's.
  return position_ - std::min(unread, position_ - session_begin_);
}

void ReplayLog::Forget(uint64_t unread) {
  Count();
  // The tally may be behind what was read by a part of one record, never by a whole one.
  const uint64_t taken_to = std::min(TakenTo(unread), tallied_to_);
  while (!segments_.empty() && segments_.front().end() <= taken_to) {
    std::vector<uint8_t>& copy = segments_.front().copy;
    if (!copy.empty() && spare_copies_.size() < kSpareCopies) {
      copy.clear();
      spare_copies_.push_back(std::move(copy));
    }
    segments_.Pop();
  }
}

void ReplayLog::Rewind(uint64_t unread) {
  Count();
  const uint64_t taken_to = TakenTo(unread);
  const size_t index = Find(taken_to);
  position_ = taken_to;
  if (index < segments_.size()) {
    Segment& segment = segments_[index];
    const RecordBoundary boundary = LastBoundary(segment.bytes(), taken_to - segment.begin);
    segment.tallied = boundary.packets;
    position_ = segment.begin + boundary.bytes;
    for (size_t i = index + 1; i < segments_.size(); ++i) {
      segments_[i].tallied = 0;
    }
  }
  tallied_to_ = position_;
  // Until the next session starts, nothing has been written to anybody.
  session_begin_ = position_;
}

uint64_t ReplayLog::CountWaitingAgain() const {
  uint64_t packets = 0;
  uint64_t at = tallied_to_;
  for (size_t i = Find(at); i < segments_.size() && at < first_to_; ++i) {
    const Segment& segment = segments_[i];
    while (at < first_to_ && at < segment.end()) {
      at += RecordSize(segment.bytes().data() + (at - segment.begin));
      ++packets;
    }
  }
  return packets;
}

}  // namespace pcap_zmq
