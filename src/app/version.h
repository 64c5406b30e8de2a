// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace pcap_zmq {

/// The project's version, as CMakeLists.txt gives it.
inline constexpr std::string_view kVersion = PCAP_ZMQ_VERSION;

}  // namespace pcap_zmq
