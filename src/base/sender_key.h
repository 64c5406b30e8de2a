// SPDX-License-Identifier: MIT
//
// Who sent a frame, where senders have keys.
#pragma once

#include <string_view>

namespace pcap_zmq {

/// A sender's public key and the name under which it is authorized; both empty where senders have
/// no keys.
struct SenderKey {
  std::string_view key{};
  std::string_view name{};
};

}  // namespace pcap_zmq
