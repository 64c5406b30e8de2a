// SPDX-License-Identifier: MIT
//
// Descriptors by which one thread wakes another that polls.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// An eventfd that holds 0 and does not block: readable once something is added to it.
/// Errors:  kRuntime when the system has no descriptor left.  A poll of -1 would wait for ever.
Result<UniqueFd> MakeEventFd();

}  // namespace pcap_zmq
