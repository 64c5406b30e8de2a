// SPDX-License-Identifier: MIT
//
// Giving root's rights back once sockets and files are open.
#pragma once

#include <string>

#include "base/result.h"

namespace pcap_zmq {

/// Makes the process run as `user` with that user's groups and no capabilities, and forbids it to
/// gain rights by running other programs.
///
/// With `keep_net_admin` CAP_NET_ADMIN stays, if it was held: what an NFLOG socket needs to change
/// its batch size later.  An empty `user` leaves identity and capabilities alone.
/// Threads: call it after what needs root's rights and before the first thread is started.
///          Capabilities belong to threads: threads started later inherit the reduced set; a
///          thread that runs already changes identity, which takes all capabilities of root from
///          it, but keeps the right to gain others.
/// Errors:  kConfig for an unknown user; kRuntime when the system refuses, in which case the
///          process must not go on: it may be half way.
Status DropPrivileges(const std::string& user, bool keep_net_admin);

}  // namespace pcap_zmq
