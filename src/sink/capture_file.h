// SPDX-License-Identifier: MIT
//
// A place for a capture, where there may be one already.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// Opens `path` as an empty regular file for one writer, and keeps what was in it.
///
/// A program that crashes and starts again and again must not destroy what it has captured: a file
/// with packets, or with anything else that is not ours, is renamed to the first of `path`.1,
/// `path`.2 and so on that is free.  One in which a capture has only begun is used again.  Links
/// are not followed, and devices not opened: whoever may write to the directory could choose what
/// a program with more rights destroys.
/// Owns:    the file is locked against other writers for as long as the descriptor is open.
/// Errors:  kConfig when `path` cannot be such a file or another writer has it, kRuntime when the
/// disk refuses.
/// Source:  fcntl(2) on open file description locks; rename(2).
Result<UniqueFd> OpenCaptureFile(const std::string& path, mode_t mode);

}  // namespace pcap_zmq
