// SPDX-License-Identifier: MIT
#include "source/nflog_socket.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

namespace pcap_zmq {
namespace {

// The kernel takes at most 131,072 and delivers up to twice of what it takes; just below, the
// datagrams stay below that size themselves.  The default fits two full-sized packets.
constexpr uint32_t kKernelBatchBytes = 130'000;

// Of the calling thread's network namespace.
constexpr const char* kGroupTable = "/proc/thread-self/net/netfilter/nfnetlink_log";

struct alignas(nlmsghdr) Request {
  std::array<char, 256> bytes{};
};

nlmsghdr* StartRequest(Request* request, uint16_t group, uint16_t flags, uint32_t sequence) {
  nlmsghdr* header =
      nflog_nlmsg_put_header(request->bytes.data(), NFULNL_MSG_CONFIG, AF_UNSPEC, group);
  header->nlmsg_flags = static_cast<uint16_t>(header->nlmsg_flags | flags);
  header->nlmsg_seq = sequence;
  return header;
}

uint32_t ToCentiseconds(Nanoseconds duration) {
  constexpr Nanoseconds kStep = 10 * kNanosPerMilli;
  return static_cast<uint32_t>(std::clamp<Nanoseconds>(duration, 0, INT_MAX * kStep) / kStep +
                               (duration % kStep > 0 ? 1 : 0));
}

void SetReceiveBuffer(int fd, uint64_t bytes) {
  const int value = static_cast<int>(std::min<uint64_t>(bytes, INT_MAX / 2));
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value) != 0) {
    // Without the capability the kernel grants at most net.core.rmem_max, silently; the caller
    // sees what it came to.
    static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value));
  }
}

uint64_t GetReceiveBuffer(int fd) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &length) == 0 && value > 0
             ? static_cast<uint64_t>(value)
             : 0;
}

struct GroupTable {
  bool readable = false;
  std::optional<uint32_t> holder;  // netlink port that has the group
};

GroupTable LookUpGroup(uint16_t group) {
  GroupTable result;
  std::ifstream table(kGroupTable);
  result.readable = table.is_open();
  std::string line;
  while (std::getline(table, line)) {
    unsigned listed = 0;
    unsigned port = 0;
    if (std::sscanf(line.c_str(), "%u %u", &listed, &port) == 2 && listed == group) {
      result.holder = port;
    }
  }
  return result;
}

// A process's first netlink socket has its process id for a port, later ones have others.
std::string DescribeHolder(uint32_t port) {
  std::ifstream comm("/proc/" + std::to_string(port) + "/comm");
  std::string name;
  if (std::getline(comm, name)) {
    return "process " + std::to_string(port) + " (" + name + ")";
  }
  return "another process (netlink port " + std::to_string(port) + ")";
}

Error RefusedError(uint16_t group) {
  const std::string name = "NFLOG group " + std::to_string(group);
  constexpr const char* kGrant =
      "run as root, or grant it (setcap cap_net_admin+ep, or docker run --cap-add NET_ADMIN)";
  const GroupTable table = LookUpGroup(group);
  if (table.holder.has_value()) {
    return RuntimeError(name + " is in use by " + DescribeHolder(*table.holder) +
                        ": stop it or choose another group");
  }
  if (table.readable) {
    return RuntimeError("cannot bind " + name + ": CAP_NET_ADMIN is missing: " + kGrant);
  }
  return RuntimeError("cannot bind " + name +
                      ": either CAP_NET_ADMIN is missing or another process uses the group: " +
                      kGrant + ", or choose another group");
}

}  // namespace

Error NflogGroupError(uint16_t group, int error_number) {
  if (error_number == EPERM || error_number == EBUSY) {
    return RefusedError(group);
  }
  std::string message = "cannot bind NFLOG group " + std::to_string(group) + ": " +
                        std::strerror(error_number);  // NOLINT(concurrency-mt-unsafe): start-up
  if (error_number == EINVAL || error_number == EOPNOTSUPP) {
    message += ": the kernel seems to lack nfnetlink_log (try: modprobe nfnetlink_log)";
  }
  return RuntimeError(std::move(message));
}

void NflogSocket::Closer::operator()(mnl_socket* socket) const {
  // Closing frees the groups.
  mnl_socket_close(socket);
}

Result<NflogSocket> NflogSocket::Open(uint64_t receive_buffer_bytes) {
  NflogSocket opened(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (opened.socket_ == nullptr ||
      mnl_socket_bind(opened.socket_.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    const int error_number = errno;
    return RuntimeError(std::string("cannot open a netlink socket to the packet log: ") +
                        std::strerror(error_number));  // NOLINT(concurrency-mt-unsafe)
  }
  SetReceiveBuffer(opened.fd(), receive_buffer_bytes);
  opened.receive_buffer_bytes_ = GetReceiveBuffer(opened.fd());
  return opened;
}

int NflogSocket::fd() const {
  return mnl_socket_get_fd(socket_.get());
}

int NflogSocket::RequestGroup(uint16_t group, const NflogGroupSettings& settings,
                              uint32_t sequence) {
  Request request;
  nlmsghdr* header = StartRequest(&request, group, NLM_F_ACK, sequence);
  nflog_attr_put_cfg_cmd(header, NFULNL_CFG_CMD_BIND);
  nflog_attr_put_cfg_mode(header, NFULNL_COPY_PACKET, settings.snaplen);
  mnl_attr_put_u32(header, NFULA_CFG_NLBUFSIZ, htonl(kKernelBatchBytes));
  mnl_attr_put_u32(header, NFULA_CFG_TIMEOUT, htonl(ToCentiseconds(settings.flush_interval)));
  mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(settings.threshold));
  mnl_attr_put_u16(header, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
  return Send(header, header->nlmsg_len);
}

int NflogSocket::RequestThreshold(uint16_t group, uint32_t threshold, uint32_t sequence) {
  Request request;
  nlmsghdr* header = StartRequest(&request, group, 0, sequence);
  mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(threshold));
  return Send(header, header->nlmsg_len);
}

int NflogSocket::RequestRelease(uint16_t group, uint32_t sequence) {
  Request request;
  nlmsghdr* header = StartRequest(&request, group, 0, sequence);
  nflog_attr_put_cfg_cmd(header, NFULNL_CFG_CMD_UNBIND);
  return Send(header, header->nlmsg_len);
}

int NflogSocket::Send(const void* message, size_t length) {
  return mnl_socket_sendto(socket_.get(), message, length) < 0 ? errno : 0;
}

}  // namespace pcap_zmq
