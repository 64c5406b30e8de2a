// SPDX-License-Identifier: MIT
//
// The bare path, second half: ZeroMQ messages written into a FIFO as they come.
#include <fcntl.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/byte_io.h"
#include "tests/bench/bench_support.h"

namespace pcap_zmq::bench {
namespace {

constexpr int kPipeBytes = 1 << 20;
constexpr uint32_t kRawIp = 101;

// False when the reader has gone.
bool WriteAll(int fd, const uint8_t* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, bytes, size);
    if (written < 0) {
      if (errno == EINTR && stop_requested == 0) {
        continue;
      }
      return false;
    }
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

bool WriteFileHeader(int fd) {
  std::array<uint8_t, 24> header{};
  StoreLe<uint32_t>(header.data(), 0xa1b23c4d);
  StoreLe<uint16_t>(header.data() + 4, 2);
  StoreLe<uint16_t>(header.data() + 6, 4);
  StoreLe<uint32_t>(header.data() + 16, 262'144);
  StoreLe<uint32_t>(header.data() + 20, kRawIp);
  return WriteAll(fd, header.data(), header.size());
}

void Pump(void* socket, int fd) {
  zmq_msg_t message;
  zmq_msg_init(&message);
  while (stop_requested == 0) {
    const int size = zmq_msg_recv(&message, socket, 0);
    if (size >= 0 && !WriteAll(fd, static_cast<const uint8_t*>(zmq_msg_data(&message)),
                               static_cast<size_t>(size))) {
      break;
    }
  }
  zmq_msg_close(&message);
}

}  // namespace
}  // namespace pcap_zmq::bench

int main(int argc, char** argv) {
  using namespace pcap_zmq::bench;
  const Arguments arguments = Parse(argc, argv, "bench_bare_recv ENDPOINT FIFO", 2, {});
  HandleSignals();
  std::signal(SIGPIPE, SIG_IGN);
  void* const context = zmq_ctx_new();
  void* const socket = zmq_socket(context, ZMQ_PULL);
  if (zmq_bind(socket, arguments.positional[0].c_str()) != 0) {
    Fail("cannot bind " + arguments.positional[0]);
  }
  const int fd = ::open(arguments.positional[1].c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    Fail("cannot open " + arguments.positional[1]);
  }
  ::fcntl(fd, F_SETPIPE_SZ, kPipeBytes);
  if (WriteFileHeader(fd)) {
    SayReady();
    Pump(socket, fd);
  }
  ::close(fd);
  zmq_close(socket);
  zmq_ctx_term(context);
  return 0;
}
