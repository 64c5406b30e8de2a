// SPDX-License-Identifier: MIT
//
// Names by which `top -H` and debuggers tell a program's threads apart.
#pragma once

#include <pthread.h>

namespace pcap_zmq {

/// Names the calling thread.
/// Shape:   at most 15 bytes.
inline void NameThisThread(const char* name) {
  static_cast<void>(::pthread_setname_np(::pthread_self(), name));
}

}  // namespace pcap_zmq
