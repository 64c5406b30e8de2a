// SPDX-License-Identifier: MIT
//
// Stand-ins for the IDS that reads the FIFO.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {

/// A well-behaved reader: a thread that reads a FIFO until its writer closes it.
class FifoReader {
 public:
  /// Waits for the FIFO at `path` to exist and opens it.  With `supervised`, a new reader starts
  /// when the writer has gone, as a service manager would start one.
  explicit FifoReader(std::string path, bool supervised = false);
  FifoReader(const FifoReader&) = delete;
  FifoReader& operator=(const FifoReader&) = delete;
  ~FifoReader() { Stop(); }

  /// Stops taking bytes, but keeps the FIFO open, like a program that hangs.
  void Pause();
  void Resume();

  /// Bytes read so far by all readers.
  uint64_t bytes_read() const { return bytes_read_.load(std::memory_order_acquire); }

  /// Readers started so far; with `supervised`, one more than the writers that have gone.
  size_t readers() const { return readers_.load(std::memory_order_acquire); }

  /// Waits until the writer has closed the FIFO and everything in it was read.
  /// Errors:  false after `deadline`.
  bool WaitForEnd(std::chrono::milliseconds deadline = kGenerously);

  /// Closes the FIFO and ends the thread.
  void Stop();

  /// What each reader has read; one capture unless supervised.  After Stop() or WaitForEnd().
  const std::vector<std::vector<uint8_t>>& captures() const { return captures_; }

 private:
  void Run();
  bool OpenNext();
  bool WaitWhilePaused();

  const std::string path_;
  const bool supervised_;
  UniqueFd wake_;  // eventfd
  UniqueFd fifo_;
  std::vector<std::vector<uint8_t>> captures_;
  std::atomic<uint64_t> bytes_read_{0};
  std::atomic<size_t> readers_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool paused_ = false;   // guarded by mutex_
  bool stopped_ = false;  // guarded by mutex_
  bool ended_ = false;    // guarded by mutex_
  std::thread thread_;
};

/// A reader to be killed: a process that moves a FIFO's bytes into a file.  Every byte that it took
/// out of the FIFO is in the file, whenever SIGKILL strikes.
class ReaderProcess {
 public:
  /// Errors:  kRuntime when the process cannot be made.
  static Result<std::unique_ptr<ReaderProcess>> Start(const std::string& fifo,
                                                      const std::string& file);
  ReaderProcess(const ReaderProcess&) = delete;
  ReaderProcess& operator=(const ReaderProcess&) = delete;
  ~ReaderProcess() { Kill(); }

  void Signal(int signal) const;
  /// SIGKILL, and waits until it is gone.
  void Kill();
  /// Waits until it ended by itself: the writer closed the FIFO.
  bool WaitForEnd(std::chrono::milliseconds deadline = kGenerously);

  /// Bytes in the file.
  uint64_t bytes_read() const;
  const std::string& file() const { return file_; }

 private:
  ReaderProcess(pid_t pid, std::string file) : pid_(pid), file_(std::move(file)) {}

  pid_t pid_;
  std::string file_;
};

}  // namespace pcap_zmq::testing
