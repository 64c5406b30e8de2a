// SPDX-License-Identifier: MIT
//
// The address of --metrics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pcap_zmq {

/// A numeric address and port to listen on.
struct ListenAddress {
  std::string host;  ///< without brackets
  uint16_t port = 0;
  bool is_ipv6 = false;

  /// "127.0.0.1:9477", "[::1]:9477".
  std::string Text() const;
};

/// Reads "127.0.0.1:9477", "[::1]:9477", "localhost:9477" or ":9477", which means all IPv4
/// addresses; port 0 lets the kernel choose.
/// Errors:  kConfig, naming `text` and showing an example.
Result<ListenAddress> ParseListenAddress(std::string_view text);

/// Tries whether the kernel lets us listen there.
/// Errors:  kRuntime, the bare reason ("Address already in use").
Status TryListen(const ListenAddress& address);

/// Connects to whoever listens there and hangs up at once, whatever comes of it.
void Knock(const ListenAddress& address);

}  // namespace pcap_zmq
