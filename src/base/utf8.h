// SPDX-License-Identifier: MIT
//
// Text from outside (sender names, paths) on its way to readers that insist on UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace pcap_zmq {

/// What stands for a byte that belongs to no character: U+FFFD.
inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

/// Bytes of the well-formed character that begins at `at`, or 0 if none does.
/// Source:  RFC 3629 section 4.
size_t CharacterLength(std::string_view text, size_t at);

}  // namespace pcap_zmq
