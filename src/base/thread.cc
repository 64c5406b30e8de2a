// SPDX-License-Identifier: MIT
#include "base/thread.h"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace pcap_zmq {

Result<std::thread> StartThread(const std::string& name, std::function<void()> work) {
  try {
    return std::thread([name, work = std::move(work)] {
      static_cast<void>(::pthread_setname_np(::pthread_self(), name.c_str()));
      work();
    });
  } catch (const std::system_error& error) {
    return RuntimeError("cannot start the thread '" + name + "': " + error.what() +
                        "; look at the limits on memory and processes (ulimit -u, TasksMax, "
                        "pids.max)");
  }
}

}  // namespace pcap_zmq
