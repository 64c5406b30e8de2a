// SPDX-License-Identifier: MIT
#include "base/event_fd.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>

namespace pcap_zmq {

Result<UniqueFd> MakeEventFd() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) {
    return RuntimeError(std::string("cannot make an eventfd: ") + std::strerror(errno) +
                        "; look at the limit of open files (ulimit -n)");
  }
  return fd;
}

}  // namespace pcap_zmq
