// SPDX-License-Identifier: MIT
#include "transport/silence_watch.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"
#include "transport/peer_address.h"

namespace pcap_zmq {
namespace {

// Acknowledgements take less on any network; the figures before that are noise.  Kernels limit how
// often they answer probes for room, so one may go unanswered until the next, within two seconds.
constexpr uint32_t kRoundTripMillis = 1000;

// Whether data or a probe went out, a while ago, and nothing came back since.
bool AwaitsAnswer(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    return false;
  }
  const bool has_asked =
      info.tcpi_probes > 0 ||
      (info.tcpi_unacked > 0 && info.tcpi_last_data_sent < info.tcpi_last_ack_recv);
  return has_asked && info.tcpi_last_ack_recv >= kRoundTripMillis;
}

}  // namespace

void SilenceWatch::Look(const std::set<int>& connections, Nanoseconds now) {
  std::erase_if(silent_since_, [&](const auto& one) { return !connections.contains(one.first); });
  for (const int fd : connections) {
    if (!AwaitsAnswer(fd)) {
      silent_since_.erase(fd);
    } else if (now - silent_since_.try_emplace(fd, now).first->second >= kPatience) {
      silent_since_.erase(fd);
      const std::string address = PeerAddress(fd);
      Log(LogLevel::kWarning, "the receiver's host at " + endpoint_ +
                                  (address.empty() ? "" : " (" + address + ")") +
                                  " no longer answers; connecting anew");
      // Should the descriptor have become another socket's in this moment, that one is made anew by
      // whoever needs it.
      ::shutdown(fd, SHUT_RDWR);
    }
  }
}

}  // namespace pcap_zmq
