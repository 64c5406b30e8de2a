// SPDX-License-Identifier: MIT
//
// What a pipe's writer remembers of its stream: the records that wait to be written and those that
// were written but may still be unread, so that they can be written again for another reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/record_block.h"
#include "base/ring.h"

namespace pcap_zmq {

/// A window over the stream of all records that were ever appended.
///
/// Bytes have positions in the stream, counted from its first record on; capture headers are not
/// part of it.  A session is the time of one reader.  Of the window's bytes the reader has taken
/// those up to the written position less what lies unread in the pipe.
/// Threads: not thread-safe.
class ReplayLog {
 public:
  struct Tally {
    uint64_t first = 0;  ///< packets whose last byte was written for the first time
    uint64_t again = 0;  ///< packets that were written to an earlier reader, too
  };

  ReplayLog();

  /// Adds the block's records at the end of the stream.
  /// Owns:    shares a large block until it is forgotten, copies a small one.
  void Append(const RecordBlockPtr& block);

  /// The next bytes to write, as far as they lie together; empty once everything is written.
  std::span<const uint8_t> Unwritten() const;
  bool AllWritten() const { return position_ == end_; }

  /// The next bytes to write that end with a record: the rest of one that was begun, or as many
  /// whole ones as `limit` bytes hold, one at least; as far as they lie together.
  std::span<const uint8_t> UnwrittenRecords(size_t limit);
  /// Whether the next byte to write is amid a record.
  bool InsideRecord();

  /// Moves the written position on by `bytes` of Unwritten().
  void MarkWritten(size_t bytes);

  /// The packets completed since the last call.  Costs work a packet only when the written position
  /// lies inside of a block.
  Tally TakeTally();

  /// A new reader's first byte will be the next one to write.
  void StartSession() { session_begin_ = position_; }

  /// Drops what the reader has taken when `unread` of the written bytes are still in the pipe.
  void Forget(uint64_t unread);

  /// The session is over and its reader left `unread` bytes in the pipe: sets the written position
  /// back to the first record that the reader did not take whole.
  void Rewind(uint64_t unread);

  /// Packets that were appended and never written whole.
  uint64_t undelivered() const { return appended_packets_ - first_packets_; }

  /// Packets that were written whole to an earlier reader and wait to be written again.
  uint64_t CountWaitingAgain() const;

  /// Bytes that the window holds in memory, written or not.
  uint64_t held_bytes() const { return segments_.empty() ? 0 : end_ - segments_.front().begin; }

 private:
  struct Segment {
    uint64_t begin = 0;
    RecordBlockPtr block;       // a large block, or
    std::vector<uint8_t> copy;  // small ones one after another, in memory reserved once
    uint64_t packets = 0;
    uint64_t tallied = 0;  // of them, since the last Rewind()

    std::span<const uint8_t> bytes() const {
      return block != nullptr ? block->records : std::span<const uint8_t>(copy);
    }
    uint64_t end() const { return begin + bytes().size(); }
  };

  // An empty segment at the end.
  Segment* Push();
  // Memory for a segment's copy: what was used before, if there is some.
  std::vector<uint8_t> TakeCopy();
  // Index of the segment that holds `position`; size() if none does.
  size_t Find(uint64_t position) const;
  // The position up to which the reader has taken everything.
  uint64_t TakenTo(uint64_t unread) const;
  void Count();
  // Counts on record by record inside `segment`; false when the written position stops it.
  bool CountRecords(Segment* segment);

  Ring<Segment> segments_;                          // gapless, up to end_
  std::vector<std::vector<uint8_t>> spare_copies_;  // empty, with their memory
  uint64_t end_ = 0;
  uint64_t position_ = 0;       // written up to here in this session
  uint64_t session_begin_ = 0;  // a record boundary, as all of the following
  uint64_t tallied_to_ = 0;     // counted up to here in this session
  uint64_t first_to_ = 0;       // written whole to any reader up to here
  uint64_t appended_packets_ = 0;
  uint64_t first_packets_ = 0;
  Tally tally_;
};

}  // namespace pcap_zmq
