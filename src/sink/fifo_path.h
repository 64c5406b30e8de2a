// SPDX-License-Identifier: MIT
//
// What may be at the path of an output that is to be a FIFO.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace pcap_zmq {

/// Makes a FIFO at `path` unless something is there already.
/// Errors:  kConfig when the path cannot be one, kRuntime when the system refuses.
Status MakeFifo(const std::string& path, mode_t mode);

/// Errors:  kConfig, with what to do, when `status`, of what is at `path`, is not a FIFO's.
Status CheckIsFifo(const std::string& path, const struct stat& status);

}  // namespace pcap_zmq
