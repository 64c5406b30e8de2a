// SPDX-License-Identifier: MIT
#include "base/stop_event.h"

#include <unistd.h>

#include "base/event_fd.h"

namespace pcap_zmq {

StopEvent::StopEvent() {
  if (Result<UniqueFd> fd = MakeEventFd(); fd.ok()) {
    fd_ = fd.Take();
  } else {
    status_ = fd.error();
  }
}

void StopEvent::Request(Nanoseconds deadline) {
  Nanoseconds current = deadline_.load(std::memory_order_relaxed);
  while (deadline < current &&
         !deadline_.compare_exchange_weak(current, deadline, std::memory_order_relaxed)) {
  }
  if (requested_.exchange(true, std::memory_order_acq_rel)) {
    return;
  }
  const uint64_t one = 1;
  // An eventfd that was never written to cannot be full.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

}  // namespace pcap_zmq
