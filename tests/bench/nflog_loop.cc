// SPDX-License-Identifier: MIT
#include "tests/bench/nflog_loop.h"

#include <libnetfilter_log/libnetfilter_log.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/bench/bench_support.h"

namespace pcap_zmq::bench {
namespace {

constexpr uint32_t kKernelBatchBytes = 130'000;
constexpr size_t kDatagramRoom = size_t{256} * 1024;
constexpr int kSocketBytes = 64 << 20;

}  // namespace

NflogLoop::NflogLoop(uint16_t group, uint32_t threshold) : handle_(nflog_open()) {
  if (handle_ == nullptr) {
    Fail("cannot open the packet log");
  }
  group_ = nflog_bind_group(handle_, group);
  if (group_ == nullptr) {
    Fail("cannot bind group " + std::to_string(group));
  }
  if (nflog_set_nlbufsiz(group_, kKernelBatchBytes) < 0 ||
      nflog_set_mode(group_, NFULNL_COPY_PACKET, 0xffff) < 0 ||
      nflog_set_qthresh(group_, threshold) < 0 || nflog_set_timeout(group_, 1) < 0 ||
      nflog_set_flags(group_, NFULNL_CFG_F_SEQ) < 0) {
    Fail("cannot set up group " + std::to_string(group));
  }
  // After set_nlbufsiz(), which sets the socket's buffer, too.
  const int fd = nflog_fd(handle_);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof kSocketBytes) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
  }
  nflog_callback_register(
      group_,
      [](nflog_g_handle*, nfgenmsg*, nflog_data* data, void* loop) {
        static_cast<NflogLoop*>(loop)->Take(data);
        return 0;
      },
      this);
}

NflogLoop::~NflogLoop() {
  nflog_unbind_group(group_);
  nflog_close(handle_);
}

void NflogLoop::Take(nflog_data* data) {
  uint32_t sequence = 0;
  if (nflog_get_seq(data, &sequence) == 0) {
    lost_ += sequence - next_sequence_;
    next_sequence_ = sequence + 1;
  }
  ++packets_;
  OnPacket(data);
}

void NflogLoop::Run() {
  std::vector<char> buffer(kDatagramRoom);
  SayReady();
  while (stop_requested == 0) {
    const ssize_t length = ::recv(nflog_fd(handle_), buffer.data(), buffer.size(), 0);
    if (length >= 0) {
      nflog_handle_packet(handle_, buffer.data(), static_cast<int>(length));
      OnBatchEnd();
    } else if (errno != EINTR && errno != ENOBUFS) {
      Fail("cannot read the packet log");
    }
  }
}

}  // namespace pcap_zmq::bench
