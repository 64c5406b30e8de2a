// SPDX-License-Identifier: MIT
#include "transport/doorkeeper.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <string>

#include "base/log.h"

namespace pcap_zmq {
namespace {

// Between two lines in the log: who wants to can reach the limit many times a second.
constexpr Nanoseconds kSilence = 60 * kNanosPerSecond;

bool HasDoor(int listener) {
  int domain = AF_UNSPEC;
  socklen_t length = sizeof domain;
  return ::getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
         (domain == AF_INET || domain == AF_INET6);
}

}  // namespace

void Doorkeeper::Look(size_t inside) {
  if (!shut_ && inside >= max_connections_ && HasDoor(listener_fd_)) {
    Shut(inside);
  } else if (shut_ && inside + max_connections_ / 8 < max_connections_) {
    Open();
  }
}

// A filter on a listening socket sees the packets that ask for connections and no others; this one
// takes no byte of any.  Connections that exist have no part in it.
void Doorkeeper::Shut(size_t inside) {
  sock_filter take_nothing{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &take_nothing};
  shut_ = ::setsockopt(listener_fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
  stats_->limit_hits.Add();
  const Nanoseconds now = SystemClock().MonotonicNow();
  if (now >= next_word_) {
    next_word_ = now + kSilence;
    Log(LogLevel::kWarning, std::to_string(inside) +
                                " connections are open, as many as may be: others have to wait; "
                                "see --max-connections");
  }
}

void Doorkeeper::Open() {
  const int unused = 0;
  shut_ = ::setsockopt(listener_fd_, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0;
}

}  // namespace pcap_zmq
