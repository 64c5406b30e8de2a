// SPDX-License-Identifier: MIT
//
// What the two programs' main functions share.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <thread>

#include "app/config_loader.h"
#include "app/file_fence.h"
#include "app/sandbox.h"
#include "app/signals.h"
#include "app/thread_watch.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "metrics/http_endpoint.h"

namespace pcap_zmq {

/// Fills closed standard descriptors, so that no socket or file takes their numbers and gets what
/// is meant for a terminal.  Call it first.
void ReserveStandardDescriptors();

/// Lets malloc keep some of the memory that is freed.  Messages come and go thousands of times a
/// second; giving their pages back to the kernel each time costs more than filling them.  Call it
/// before threads are made.
void KeepFreedMemory();

/// Allows this process as many descriptors as the system lets it have, up to what any program
/// needs: the usual 1,024 are few for a server.
void RaiseDescriptorLimit();

/// How many of `wanted` connections there are descriptors for, beside those that the rest of the
/// program needs.
size_t ConnectionsWithinLimit(size_t wanted);

/// Prints or asks what a configuration asked for instead of a run; returns the exit status.
int PrintAndExit(std::string_view program, const ExitNow& exit);

/// Logs why a program cannot start; returns the exit status: 2 for what the user can mend in the
/// configuration, 1 for the rest.
int ReportAndExit(const Error& error);

/// For /healthz: well while all threads move, else which does not.
HealthReport HealthOf(const ThreadWatch& watch);

/// Logs that packets are encrypted, with which library, and the public key of this `end`, "sender"
/// or "receiver"; warns of a library that is slow.
void LogEncryption(std::string_view end, std::string_view public_key);

/// Keeps the memory of this process, which has a secret key in it, out of core dumps and away from
/// other processes of its user.  Call it when rights are dropped, which would undo it.
/// Source:  PR_SET_DUMPABLE(2const).
void GuardSecrets();

/// Confines the process to the system calls of `profile`; where the kernel cannot, says so and goes
/// on.  Nothing when `off`.
void ConfineUnless(bool off, SandboxProfile profile);

/// Confines the process to its files, as FenceFiles(); where the kernel cannot, says so and goes
/// on.  Nothing when `off`.
void FenceFilesUnless(bool off, const FilePlaces& places);

/// Turns signals into the stop event for as long as it lives, in a thread of its own, so that also
/// a start that waits (for the writer of a pipe) can be stopped.
class SignalThread {
 public:
  /// Owns:    takes `signals`; borrows the rest.
  /// Errors:  kRuntime when the system refuses a thread or a descriptor.
  static Result<std::unique_ptr<SignalThread>> Start(SignalWaiter signals, const Clock* clock,
                                                     Nanoseconds drain_timeout, StopEvent* stop);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  SignalThread(SignalWaiter signals, UniqueFd finished);

  SignalWaiter signals_;
  UniqueFd finished_;
  std::thread thread_;
};

}  // namespace pcap_zmq
