// SPDX-License-Identifier: MIT
//
// The IDS under a service manager: a process to be killed and stopped, and started again.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "tests/support/traffic.h"

namespace pcap_zmq::testing {

/// Takes a capture apart as it comes, so that it needs no memory for what it has seen.
class CaptureStream {
 public:
  /// Hands the packets that `bytes` completes to `checker`.
  void Feed(std::span<const uint8_t> bytes, MarkChecker* checker);

  /// What is wrong with the capture; empty when nothing is.
  const std::string& error() const { return error_; }
  /// Whether it ends within its header or a record.
  bool is_cut() const { return !pending_.empty(); }
  Nanoseconds last_timestamp() const { return last_timestamp_; }

 private:
  size_t TakeHeader(std::span<const uint8_t> bytes);
  size_t TakeRecord(std::span<const uint8_t> bytes, MarkChecker* checker);

  std::vector<uint8_t> pending_;
  bool has_header_ = false;
  std::string error_;
  Nanoseconds last_timestamp_ = 0;
};

/// Reads a FIFO in one process after the other, each started when the writer of the one before has
/// gone, and holds what they read against the traffic.  No byte that a process has taken out of the
/// FIFO is missed, whenever SIGKILL strikes.
/// Threads: Start(), Kill() and Signal() from one; the figures from any.
class LiveReader {
 public:
  LiveReader(std::string fifo, const TrafficOptions& options)
      : fifo_(std::move(fifo)), checker_(options) {}
  LiveReader(const LiveReader&) = delete;
  LiveReader& operator=(const LiveReader&) = delete;
  ~LiveReader() { Kill(); }

  void Start();
  /// SIGKILL; returns once all that the process had taken has been looked at.  None follows until
  /// Start().
  void Kill();
  void Signal(int signal);

  struct Findings {
    uint64_t distinct = 0;      ///< packets read at least once
    uint64_t duplicates = 0;    ///< packets read again
    uint64_t foreign = 0;       ///< packets that nobody sent
    uint64_t out_of_order = 0;  ///< packets after a later one of their flow
    uint64_t captures = 0;      ///< that have ended
    uint64_t cut = 0;           ///< those of them that end within a record
    Nanoseconds last_timestamp = 0;
    std::string error;  ///< the first that was found in a capture
  };
  Findings findings() const;
  uint64_t distinct() const { return findings().distinct; }
  /// Whether the last packet of each flow was read.
  bool HasNewest(const std::vector<uint64_t>& sent_by_flow) const;
  /// Packets among those sent that no process read.
  uint64_t Missing(const std::vector<uint64_t>& sent_by_flow) const;

 private:
  void Supervise();
  /// The read end of what a new process takes; invalid after Kill().
  UniqueFd StartProcess();
  void ReadCapture(int fd);

  const std::string fifo_;
  std::thread supervisor_;
  mutable std::mutex mutex_;
  bool killed_ = true;   // guarded by mutex_, as what follows
  pid_t process_ = -1;   // the one that runs
  MarkChecker checker_;  // of all captures
  Findings findings_;
};

}  // namespace pcap_zmq::testing
