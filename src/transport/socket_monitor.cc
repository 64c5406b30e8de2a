// SPDX-License-Identifier: MIT
#include "transport/socket_monitor.h"

#include <zmq.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "transport/socket_options.h"

namespace pcap_zmq {

SocketMonitor::SocketMonitor(const ZmqContext& context, void* socket) : socket_(socket) {
  static std::atomic<unsigned> next_number{0};
  const std::string address = "inproc://monitor-" + std::to_string(next_number++);
  constexpr int kEvents = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED |
                          ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_LISTENING | ZMQ_EVENT_ACCEPTED |
                          ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  events_.reset(zmq_socket(context.handle(), ZMQ_PAIR));
  if (events_ == nullptr || zmq_socket_monitor(socket, address.c_str(), kEvents) != 0) {
    events_.reset();
    return;  // only when sockets or memory have run out; the watched one works all the same
  }
  SetOption(events_.get(), ZMQ_LINGER, 0);
  // ZeroMQ's I/O thread waits for room when this queue is full, so it never may be.
  SetOption(events_.get(), ZMQ_RCVHWM, 0);
  zmq_connect(events_.get(), address.c_str());
}

void SocketMonitor::Close() {
  if (events_ != nullptr) {
    // First its writer, which would wait for ever for a reader that is gone.
    zmq_socket_monitor(socket_, nullptr, 0);
    events_.reset();
  }
}

std::optional<ConnectionEvent> SocketMonitor::Next() {
  // An event is two parts: number and value, then the address, which nobody here needs.
  std::array<uint8_t, 6> event{};
  std::array<uint8_t, 256> address{};
  if (events_ == nullptr || zmq_recv(events_.get(), event.data(), event.size(), ZMQ_DONTWAIT) !=
                                static_cast<int>(event.size())) {
    return std::nullopt;
  }
  zmq_recv(events_.get(), address.data(), address.size(), 0);
  ConnectionEvent next;
  std::memcpy(&next.number, event.data(), sizeof next.number);
  std::memcpy(&next.value, event.data() + sizeof next.number, sizeof next.value);
  return next;
}

}  // namespace pcap_zmq
