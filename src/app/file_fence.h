// SPDX-License-Identifier: MIT
//
// Which files a program may still open: whoever takes it over destroys nothing elsewhere, and where
// reading is fenced too learns nothing, not even as root.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pcap_zmq {

/// Where a program's files are.  Places that do not exist are left out.
struct FilePlaces {
  std::vector<std::string> to_write;  ///< directories, which may be read as well
  std::vector<std::string> to_read;   ///< directories and files
  /// Whether nothing else may be read, but for what libraries and the program's own figures need.
  bool fence_reading = false;
};

/// From here on this thread, and those that it starts, make, change, rename and remove files in
/// `places` alone, and read only there if reading is fenced.  What is open already is not
/// concerned.
///
/// The process can gain no more rights by running other programs then.  Builds with a sanitizer
/// read everything, as the sanitizer does.
/// Threads: call it before there are others.
/// Errors:  kRuntime when the kernel has no Landlock (before 5.13, or switched off) or refuses;
///          nothing is fenced then, and the program may go on.
/// Source:  landlock(7).
Status FenceFiles(const FilePlaces& places);

/// The directories in which a file or directory called `path` is made, also where `path` is a link.
std::vector<std::string> DirectoriesOf(const std::string& path);

/// The directories that have the links which `path` leads over: those in which such a link may be
/// exchanged, as Kubernetes and git do.
std::vector<std::string> DirectoriesOfLinks(const std::string& path);

}  // namespace pcap_zmq
