// SPDX-License-Identifier: MIT
//
// Options that both ends of the wire set.  For this folder's .cc files.
#pragma once

#include <zmq.h>

#include <string>

namespace pcap_zmq {

inline void SetOption(void* socket, int option, int value) {
  // Fails only for an option or value that the library does not know, which tests would show.
  zmq_setsockopt(socket, option, &value, sizeof value);
}

/// Sets a CURVE key, in Z85.
inline void SetKey(void* socket, int option, const std::string& key) {
  zmq_setsockopt(socket, option, key.c_str(), key.size());
}

/// ZeroMQ's heartbeats stay off: see transport/silence_watch.h.
inline void SetCommonOptions(void* socket) {
  SetOption(socket, ZMQ_LINGER, 0);
  SetOption(socket, ZMQ_HANDSHAKE_IVL, 10'000);
  SetOption(socket, ZMQ_TCP_KEEPALIVE, 1);
  SetOption(socket, ZMQ_TCP_KEEPALIVE_IDLE, 15);
  SetOption(socket, ZMQ_TCP_KEEPALIVE_INTVL, 5);
  SetOption(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

/// The receiver's name is looked up for each attempt to connect; one to an address that is gone
/// would last two minutes by itself.
inline void SetSenderOptions(void* socket) {
  SetCommonOptions(socket);
  SetOption(socket, ZMQ_CONNECT_TIMEOUT, 4'000);
  SetOption(socket, ZMQ_RECONNECT_IVL, 100);
  SetOption(socket, ZMQ_RECONNECT_IVL_MAX, 1'000);
}

}  // namespace pcap_zmq
