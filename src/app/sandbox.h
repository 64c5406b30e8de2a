// SPDX-License-Identifier: MIT
//
// The list of system calls that a program is left with: whoever takes it over, by a packet that no
// test has thought of, can start no other program and look into no other process.
#pragma once

#include "base/result.h"

namespace pcap_zmq {

enum class SandboxProfile { kSender, kReceiver };

/// Confines every thread of the process, and those that it starts later, to the calls that the
/// program needs from here on.
///
/// Any other call fails with EPERM and harms nobody, so that a library which only tries goes on
/// without; clone3(), whose arguments no filter can see, does not seem to exist, after which the C
/// library calls clone().
/// Threads: call it when rights are dropped, from any thread.
/// Errors:  kRuntime when the kernel has no such filters or refuses this one; nothing is confined
///          then, and the program may go on.
Status EnterSandbox(SandboxProfile profile);

/// Whether this build has a sanitizer in it, which traces the process when it ends; for this,
/// its sandbox lets it fork and ptrace.
bool SandboxAllowsTracing();

}  // namespace pcap_zmq
