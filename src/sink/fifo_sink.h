// SPDX-License-Identifier: MIT
//
// The output that an IDS reads: a capture written into a FIFO, reader after reader.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/link_type.h"
#include "base/meanwhile.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "sink/packet_sink.h"
#include "sink/pcap_format.h"
#include "sink/replay_log.h"
#include "sink/session_guard.h"

namespace pcap_zmq {

struct FifoOptions {
  std::string path;
  LinkType link_type = LinkType::kRaw;  ///< kRaw or kEthernet
  int pipe_bytes = 1 << 20;             ///< asked for; the kernel may grant less
  mode_t mode = 0640;                   ///< of a FIFO that is made here, less the umask
  Meanwhile* meanwhile = nullptr;       ///< what the thread does while it waits for a reader
};

/// Delivers every packet to the FIFO's readers, waiting for them as long as it takes.
///
/// Each reader gets the capture header at once and then whole records.  What a reader leaves unread
/// when it goes is written again for the next one, so no packet is lost between two readers and
/// none comes twice: a packet belongs to the reader that took its last byte out of the pipe.  One
/// case cannot be seen from the writer's end: a reader that opens the FIFO in the moment
/// between its predecessor's close and our wake-up goes on inside of its predecessor's stream.
/// A reader that an earlier receiver left behind is not served, and packets wait, until it has gone
/// or has had its end of file (SessionGuard).
///
/// The FIFO stays when the sink goes.  Whoever calls must own the FIFO at all times, also after it
/// has given up privileges, and must ignore SIGPIPE.
class FifoSink final : public PacketSink {
 public:
  /// Makes the FIFO if it is missing and attaches a reader that is there already.
  /// Owns:    borrows the rest for its life.
  /// Errors:  kConfig when the path is something else or cannot be made or written.
  static Result<std::unique_ptr<FifoSink>> Open(const FifoOptions& options, SinkStats* stats,
                                                const Clock* clock, const StopEvent* stop);
  ~FifoSink() override;

  void Deliver(RecordBlockPtr block) override;
  Nanoseconds Service() override;
  int watch_fd() const override { return attached_ && !gave_up_ ? fd_.get() : -1; }
  /// Whether a reader is attached.
  bool usable() const override { return usable_.load(std::memory_order_relaxed); }
  void Finish() override;

 private:
  FifoSink(const FifoOptions& options, SinkStats* stats, const Clock* clock, const StopEvent* stop);

  // As SessionGuard::Open().
  int OpenWriteEnd();
  void LookForReader();
  void StartSession();
  // Writes what the pipe takes now; true once nothing is left to write.
  bool Pump();
  // What to write next; empty if there is nothing, or no room for it.
  std::span<const uint8_t> NextBytes();
  // Whether the pipe surely takes `bytes` at once, or holds nothing that it could be waited for.
  bool HasRoomFor(size_t bytes) const;
  void TakeTally();
  // Waits for room or a reader; false when the drain is over.
  bool Wait();
  void ReaderLeft();
  // Takes the unread bytes out of the pipe so that no later reader finds them there.
  bool Drain(uint64_t unread);
  uint64_t Unread() const;
  void ForgetTaken();
  // Makes a deleted FIFO anew and lets go of one that was replaced.
  void CheckPath();
  void GiveUp();
  // Logs a fault of the path once until PathIsFine().
  void PathFault(const std::string& message);
  // Logs readers that come and go, as long as they do so at a human rate.
  void LogReader(const std::string& message);

  const FifoOptions options_;
  SinkStats* const stats_;
  const Clock* const clock_;
  const StopEvent* const stop_;
  const FileHeaderBytes header_;
  const LinkConverter converter_;

  SessionGuard guard_;
  // A descriptor without a reader is kept once the pipe is known to be empty: the next reader's
  // open() then succeeds at once.
  UniqueFd fd_;
  struct stat identity_ {};  // of the FIFO behind fd_
  bool attached_ = false;
  std::atomic<bool> usable_{false};  // attached_ for other threads
  size_t header_written_ = 0;        // of the current session
  bool lacks_room_ = false;          // for the next record, though not for a part of it
  ReplayLog log_;
  uint64_t bytes_since_forget_ = 0;
  uint64_t readers_ = 0;
  bool gave_up_ = false;
  bool finished_ = false;
  bool path_fault_ = false;
  Nanoseconds next_path_check_ = 0;
  Nanoseconds next_forget_ = 0;
  Nanoseconds log_window_end_ = 0;
  int log_lines_left_ = 0;
};

}  // namespace pcap_zmq
