// SPDX-License-Identifier: MIT
//
// What a sender may be called.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace pcap_zmq {

inline constexpr size_t kMaxSenderName = 64;
inline constexpr std::string_view kSenderNameRule =
    "1 to 64 letters, digits, dots, underscores and hyphens";

inline constexpr bool IsSenderNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

/// Whether kSenderNameRule allows `name`.
inline constexpr bool IsSenderName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxSenderName &&
         std::all_of(name.begin(), name.end(), IsSenderNameCharacter);
}

/// Names under which a receiver sums up those who have none of their own.
inline constexpr std::string_view kUnnamedSender = "unnamed";
inline constexpr std::string_view kOtherSenders = "other";
inline constexpr std::string_view kLegacySenders = "legacy";

inline constexpr bool IsReservedSenderName(std::string_view name) {
  return name == kUnnamedSender || name == kOtherSenders || name == kLegacySenders;
}

}  // namespace pcap_zmq
