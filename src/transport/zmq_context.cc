// SPDX-License-Identifier: MIT
#include "transport/zmq_context.h"

#include <zmq.h>

#include <cerrno>
#include <cstdlib>

namespace pcap_zmq {
namespace {

// An endpoint takes three, with its monitor's, and each pump has all endpoints.
constexpr int kMaxSockets = 8192;

}  // namespace

ZmqContext::ZmqContext(int io_threads) : context_(zmq_ctx_new()) {
  if (context_ == nullptr) {
    std::abort();  // out of memory
  }
  zmq_ctx_set(context_, ZMQ_IO_THREADS, io_threads);
  zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, kMaxSockets);
}

ZmqContext::~ZmqContext() {
  while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
  }
}

void ZmqContext::StartThreads() {
  // There is no other call for it.  Should it fail, the socket that is needed will fail as well.
  const ZmqSocketHandle any(zmq_socket(context_, ZMQ_PAIR));
}

void ZmqSocketCloser::operator()(void* socket) const {
  zmq_close(socket);
}

std::string LastZmqError() {
  return zmq_strerror(zmq_errno());
}

}  // namespace pcap_zmq
