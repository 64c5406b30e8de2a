// SPDX-License-Identifier: MIT
//
// The way into a FIFO, which stays shut while the reader of an earlier receiver is in there.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// Opens a FIFO for writing, but not into a session that an earlier receiver began.
///
/// That reader has its capture header already and may have been left with half a record, so a
/// second header would be garbage to it.  It is left alone until it has gone or has had its end of
/// file.  How the two kinds of reader are told apart, and what cannot be known, is in README.md.
/// Threads: not thread-safe.
class SessionGuard {
 public:
  /// `pipe_bytes` is asked for; what is granted also marks the pipe as ours.
  SessionGuard(std::string path, int pipe_bytes, const Clock* clock);

  /// Opens the write end and marks the pipe; never waits.  Call it again after kReaderCheck.
  /// Errors:  0, or why `write_end` is unchanged: the errno of open(2), ENXIO if nobody reads;
  ///          EINVAL if the path is no FIFO; EBUSY while an earlier receiver's session goes on.
  int Open(UniqueFd* write_end, struct stat* identity);

 private:
  enum class Verdict { kFree, kTaken, kUnknown };

  // What a look at the pipe shows.
  struct Pipe {
    bool marked = false;
    uint64_t unread = 0;
    bool has_session() const { return marked || unread > 0; }
  };
  static Pipe Inspect(int fd);

  // Opens the path with `flags`, never waiting; 0 or an errno.
  int OpenEnd(int flags, UniqueFd* fd, struct stat* identity) const;
  // Looks without being a writer, which would keep a reader from its end of file.
  Verdict Look();
  Verdict Judge(const Pipe& pipe, bool has_writer);
  // Nobody reads what is in the pipe: takes it out.
  void Discard() const;
  // Starts or goes on waiting; always kTaken.
  Verdict KeepOut(uint64_t unread);
  void Mark(int fd) const;

  void Watch();
  // Whether a reader has closed the FIFO since the last call.
  bool ReaderClosed() const;

  const std::string path_;
  const int pipe_bytes_;
  const Clock* const clock_;

  struct stat checked_ {};  // the FIFO that the following is about
  bool passed_ = false;     // no earlier receiver's session is left in it

  // While it waits.
  bool waiting_ = false;
  UniqueFd watch_;  // an inotify instance; invalid where there is none to have
  bool reader_left_ = false;
  Nanoseconds next_look_ = 0;
  Nanoseconds at_end_since_ = 0;  // since when every read has met the end of file; 0 if unknown
};

}  // namespace pcap_zmq
