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

/// A peer that vanished without a word is noticed within about 10 s, by ZeroMQ's own heartbeat and,
/// for peers that do not speak it, by TCP's.
inline void SetCommonOptions(void* socket) {
  SetOption(socket, ZMQ_LINGER, 0);
  SetOption(socket, ZMQ_HEARTBEAT_IVL, 3'000);
  SetOption(socket, ZMQ_HEARTBEAT_TIMEOUT, 9'000);
  SetOption(socket, ZMQ_HEARTBEAT_TTL, 9'000);
  SetOption(socket, ZMQ_HANDSHAKE_IVL, 10'000);
  SetOption(socket, ZMQ_RECONNECT_IVL, 100);
  SetOption(socket, ZMQ_RECONNECT_IVL_MAX, 1'000);
  SetOption(socket, ZMQ_TCP_KEEPALIVE, 1);
  SetOption(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30);
  SetOption(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10);
  SetOption(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

}  // namespace pcap_zmq
