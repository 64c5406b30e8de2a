// SPDX-License-Identifier: MIT
#include "transport/farewell.h"

#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <span>
#include <utility>

#include "transport/peer_address.h"

namespace pcap_zmq {
namespace {

constexpr uint32_t kDrop = 0;
constexpr uint32_t kPass = 0xffffffff;
// A filter on a TCP socket sees segments from their TCP header on.
constexpr uint32_t kFlagsOffset = 13;
constexpr uint32_t kFin = 0x01;
constexpr uint8_t kFinWait1 = 4;  // TCP_FIN_WAIT1 of netinet/tcp.h, which excludes linux/tcp.h
// A peer has so long to answer our farewell once its kernel has it; a farewell that was kept out is
// repeated within that time.
constexpr Nanoseconds kAnswerTime = 300 * kNanosPerMilli;
// Its kernel has so long to confirm it.
constexpr Nanoseconds kConfirmationTime = kNanosPerSecond;

bool IsTcp(int fd) {
  int protocol = 0;
  socklen_t length = sizeof protocol;
  return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
         protocol == IPPROTO_TCP;
}

bool AttachFilter(int fd, std::span<sock_filter> program) {
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

std::optional<uint32_t> DroppedSegments(int fd) {
  std::array<uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info.data(), &length) != 0 ||
      length <= SK_MEMINFO_DROPS * sizeof(uint32_t)) {
    return std::nullopt;
  }
  return info[SK_MEMINFO_DROPS];
}

// 0 also when that cannot be known.
int UnreadBytes(int fd) {
  int unread = 0;
  return ::ioctl(fd, FIONREAD, &unread) == 0 ? unread : 0;
}

}  // namespace

void ShutListener(int fd) {
  if (IsTcp(fd)) {
    auto drop_all = std::to_array<sock_filter>({BPF_STMT(BPF_RET | BPF_K, kDrop)});
    // Without it a sender that comes in the last moment may lose what it sends.
    [[maybe_unused]] const bool shut = AttachFilter(fd, drop_all);
  }
}

bool HasWaitingConnection(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  // Of a listening socket, this field is the length of its queue.
  return IsTcp(fd) && ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
         info.tcpi_unacked > 0;
}

bool QuietWatch::IsQuiet(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (!IsTcp(fd) || ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    return true;
  }
  const auto [known, is_new] = received_.try_emplace(fd, info.tcpi_bytes_received);
  const bool is_same =
      !is_new && std::exchange(known->second, info.tcpi_bytes_received) == info.tcpi_bytes_received;
  return is_same && UnreadBytes(fd) == 0;
}

Farewell::Farewell(int fd, const std::string& address) {
  if (PeerAddress(fd) != address) {
    return;
  }
  fd_ = fd;
  is_tcp_ = IsTcp(fd);
  if (is_tcp_) {
    auto drop_farewells = std::to_array<sock_filter>(
        {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsOffset),
         BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kFin, 0, 1), BPF_STMT(BPF_RET | BPF_K, kDrop),
         BPF_STMT(BPF_RET | BPF_K, kPass)});
    drops_ = DroppedSegments(fd);
    kept_out_ = AttachFilter(fd, drop_farewells);
  }
  ::shutdown(fd, SHUT_WR);
}

void Farewell::Look(Nanoseconds now, bool all_taken) {
  if (fd_ >= 0 && IsSilent(now, all_taken)) {
    ::shutdown(fd_, SHUT_RDWR);
    fd_ = -1;
    kept_out_ = false;
  }
  if (!kept_out_) {
    return;
  }
  const bool has_come = !drops_.has_value() || DroppedSegments(fd_) != drops_;
  const bool is_empty = has_come && UnreadBytes(fd_) == 0;
  // Twice, as what was sent before may come after it.
  if (is_empty && was_empty_) {
    const int unused = 0;
    ::setsockopt(fd_, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    kept_out_ = false;
  }
  was_empty_ = is_empty;
}

// Whether nothing more is to be expected: all was taken, and nothing has come for long enough.
bool Farewell::IsSilent(Nanoseconds now, bool all_taken) {
  uint64_t received = received_;
  bool is_confirmed = true;
  if (is_tcp_) {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
      received = info.tcpi_bytes_received;
      is_confirmed = info.tcpi_state != kFinWait1;
    }
  }
  if (last_sign_ == 0 || received != received_ || !all_taken || UnreadBytes(fd_) > 0) {
    received_ = received;
    last_sign_ = now;
  }
  return now - last_sign_ >= (is_confirmed ? kAnswerTime : kConfirmationTime);
}

}  // namespace pcap_zmq
