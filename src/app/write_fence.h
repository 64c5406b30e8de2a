// SPDX-License-Identifier: MIT
//
// Where a program may still write: whoever takes it over destroys nothing elsewhere, not even as
// root.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pcap_zmq {

/// From here on this thread, and those that it starts, make, change, rename and remove files under
/// `directories` alone.  Reading, and what is open already, is not concerned.
///
/// Directories that do not exist are left out.  The process can gain no more rights by running
/// other programs then.
/// Threads: call it before there are others.
/// Errors:  kRuntime when the kernel has no Landlock (before 5.13, or switched off) or refuses;
///          nothing is confined then, and the program may go on.
/// Source:  landlock(7).
Status FenceWrites(const std::vector<std::string>& directories);

/// The directories in which a file called `path` is made, also where `path` is a link.
std::vector<std::string> DirectoriesOf(const std::string& path);

}  // namespace pcap_zmq
