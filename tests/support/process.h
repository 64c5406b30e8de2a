// SPDX-License-Identifier: MIT
//
// Real programs started by a test, which never outlive it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {

/// A running program whose output is kept in memory.
/// Threads: the thread that starts a program must outlive it: the kernel kills the program when
///          that thread ends.
class Process {
 public:
  struct Options {
    std::vector<std::string> env = {};  ///< "NAME=value", added to the test's own environment
    std::string stdin_text = {};        ///< at most 64 KiB
    std::string stdout_path = {};       ///< where stdout goes instead of memory
    bool drop_net_admin = false;        ///< starts without any capability
  };

  /// Runs `argv`, whose first element is looked up in PATH and the sbin directories.  PCAP_ZMQ_
  /// variables of the test's own environment are not handed on.
  /// Errors:  kRuntime when there is no such program.
  static Result<std::unique_ptr<Process>> Start(std::vector<std::string> argv,
                                                const Options& options);
  static Result<std::unique_ptr<Process>> Start(std::vector<std::string> argv) {
    return Start(std::move(argv), Options());
  }

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Kills the program if it still runs.
  ~Process();

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;

  /// The exit status, or 128 + the signal that ended it, as in a shell; its whole output has been
  /// read then.
  /// Errors:  nullopt when it still runs after `deadline`.
  std::optional<int> WaitForExit(std::chrono::milliseconds deadline = kGenerously);

  /// SIGKILL, and waits until the program is gone.
  void Kill();

  bool running();

  /// Waits until stderr holds `text`.
  bool WaitForStderr(std::string_view text, std::chrono::milliseconds deadline = kGenerously);

  std::string Stdout() const;
  std::string Stderr() const;

  /// Bytes of memory in RAM; 0 once it has ended.
  uint64_t ResidentBytes() const;

  /// The most that it ever was, or since the last ForgetPeak(); 0 once it has ended.
  /// Source:  proc(5), VmHWM and clear_refs.
  uint64_t PeakResidentBytes() const;
  void ForgetPeak();

 private:
  Process(pid_t pid, UniqueFd out, UniqueFd err);
  void ReadOutput(UniqueFd out, UniqueFd err);

  const pid_t pid_;
  std::optional<int> exit_status_;
  mutable std::mutex mutex_;
  std::condition_variable output_grew_;
  std::string stdout_;  // guarded by mutex_
  std::string stderr_;  // guarded by mutex_
  std::thread reader_;
};

/// What a program that ran to its end said.
struct CommandOutcome {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs `argv` to its end.
/// Errors:  kRuntime when it cannot be started or does not end.
Result<CommandOutcome> RunCommand(std::vector<std::string> argv,
                                  const std::string& stdin_text = "");

/// RunCommand() for programs that must succeed: an exit status other than 0 is an error too.
Status RunOrFail(std::vector<std::string> argv, const std::string& stdin_text = "");

/// Whether RunCommand() would find `program`.
bool HaveProgram(const std::string& program);

}  // namespace pcap_zmq::testing
