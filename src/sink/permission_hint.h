// SPDX-License-Identifier: MIT
//
// What a user has to know whom the kernel refuses a path.
#pragma once

#include <unistd.h>

namespace pcap_zmq {

/// Ends a message about a path that may not be written: root, which is used to write everywhere,
/// has given that right up by then.
inline const char* PermissionHint() {
  return ::geteuid() == 0 ? "; without its capabilities, which it has given up, root is bound by "
                            "owner and mode like any user"
                          : "";
}

}  // namespace pcap_zmq
