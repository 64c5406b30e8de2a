// SPDX-License-Identifier: MIT
#include "source/close_intake.h"

#include <linux/filter.h>
#include <sys/socket.h>

namespace pcap_zmq {

bool CloseIntake(int fd) {
  // A program of one instruction: keep 0 bytes of each packet, which means none.
  sock_filter nothing{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &nothing};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

}  // namespace pcap_zmq
