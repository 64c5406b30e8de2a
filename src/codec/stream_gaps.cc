// SPDX-License-Identifier: MIT
#include "codec/stream_gaps.h"

#include <algorithm>
#include <iterator>

namespace pcap_zmq {

StreamGaps::StreamGaps(uint64_t first_ordinal, Nanoseconds age) : next_ordinal_(first_ordinal) {
  Add(0, first_ordinal, age, Kind::kUnseen);
}

bool StreamGaps::Accept(uint64_t begin, uint64_t valid_end, uint64_t end, Nanoseconds age,
                        SenderSnapshot* totals) {
  const uint64_t known = next_ordinal_;
  if (begin < known) {
    if (!AllMissing(begin, std::min(end, known))) {
      return false;
    }
    // The damaged rest stays the gap that it is.
    Close(begin, std::min(valid_end, known), totals);
  }
  Add(known, begin, age, Kind::kOpen);
  Add(std::max(valid_end, known), end, age, Kind::kOpen);
  next_ordinal_ = std::max(known, end);
  Bound(totals);
  return true;
}

void StreamGaps::ReachTo(uint64_t ordinal, Nanoseconds age, SenderSnapshot* totals) {
  if (ordinal > next_ordinal_) {
    Add(next_ordinal_, ordinal, age, Kind::kOpen);
    next_ordinal_ = ordinal;
    Bound(totals);
  }
}

void StreamGaps::Settle(Nanoseconds opened_by, SenderSnapshot* totals) {
  bool settled = false;
  for (Gap& gap : gaps_) {
    if (gap.kind != Kind::kSettled && gap.since <= opened_by) {
      SettleGap(&gap, totals);
      settled = true;
    }
  }
  if (!settled) {
    return;
  }
  // Neighbours become one, so that a sender all of whose frames are refused needs one place.
  size_t kept = 0;
  for (const Gap& gap : gaps_) {
    if (kept > 0 && gap.kind == Kind::kSettled && gaps_[kept - 1].kind == Kind::kSettled &&
        gaps_[kept - 1].end == gap.begin) {
      gaps_[kept - 1].end = gap.end;
    } else {
      gaps_[kept++] = gap;
    }
  }
  gaps_.resize(kept);
  Bound(totals);
}

StreamGaps::Iterator StreamGaps::Find(uint64_t ordinal) {
  return std::upper_bound(gaps_.begin(), gaps_.end(), ordinal,
                          [](uint64_t wanted, const Gap& gap) { return wanted < gap.end; });
}

// Neighbouring gaps may cover it together.
bool StreamGaps::AllMissing(uint64_t begin, uint64_t end) {
  uint64_t missing_to = begin;
  for (auto gap = Find(begin); missing_to < end && gap != gaps_.end() && gap->begin <= missing_to;
       ++gap) {
    missing_to = gap->end;
  }
  return missing_to >= end;
}

// Needs AllMissing().
void StreamGaps::Close(uint64_t begin, uint64_t end, SenderSnapshot* totals) {
  auto gap = Find(begin);
  while (gap != gaps_.end() && gap->begin < end) {
    const Gap whole = *gap;
    const uint64_t from = std::max(whole.begin, begin);
    const uint64_t to = std::min(whole.end, end);
    if (whole.kind == Kind::kSettled) {
      totals->late_packets += to - from;
    }
    if (whole.begin < from) {
      gap->end = from;
      ++gap;
      if (to < whole.end) {
        gaps_.insert(gap, {to, whole.end, whole.since, whole.kind});
        return;
      }
    } else if (to < whole.end) {
      gap->begin = to;
      return;
    } else {
      gap = gaps_.erase(gap);
    }
  }
}

// Behind all others.
void StreamGaps::Add(uint64_t begin, uint64_t end, Nanoseconds age, Kind kind) {
  if (begin < end) {
    gaps_.push_back({begin, end, age, kind});
  }
}

void StreamGaps::SettleGap(Gap* gap, SenderSnapshot* totals) {
  (gap->kind == Kind::kUnseen ? totals->unseen_packets : totals->lost_packets) +=
      gap->end - gap->begin;
  gap->kind = Kind::kSettled;
}

void StreamGaps::Bound(SenderSnapshot* totals) {
  if (gaps_.size() <= kMaxGaps) {
    return;
  }
  const auto is_settled = [](const Gap& gap) { return gap.kind == Kind::kSettled; };
  auto settled = static_cast<size_t>(std::count_if(gaps_.begin(), gaps_.end(), is_settled));
  for (; gaps_.size() - settled > kMaxGaps; ++settled) {
    const auto oldest =
        std::min_element(gaps_.begin(), gaps_.end(), [&](const Gap& one, const Gap& other) {
          return !is_settled(one) && (is_settled(other) || one.since < other.since);
        });
    SettleGap(&*oldest, totals);
  }
  for (; settled > kMaxGaps; --settled) {
    gaps_.erase(std::find_if(gaps_.begin(), gaps_.end(), is_settled));
  }
}

}  // namespace pcap_zmq
