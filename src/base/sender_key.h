// SPDX-License-Identifier: MIT
//
// Who sent a frame, where senders have keys.
#pragma once

#include <string_view>

namespace pcap_zmq {

/// Ends the name of a key that a group of senders shares: what each of them calls itself comes
/// after it.  No sender can have it in a name of its own.
inline constexpr char kGroupMark = '@';

/// A sender's public key and the name under which it is authorized; both empty where senders have
/// no keys.
struct SenderKey {
  std::string_view key{};
  std::string_view name{};

  /// Whether the name is only the first part of a sender's.
  bool IsGroup() const { return name.ends_with(kGroupMark); }
};

}  // namespace pcap_zmq
