// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace pcap_zmq {

/// The project's version, as CMakeLists.txt gives it.
inline constexpr std::string_view kVersion = PCAP_ZMQ_VERSION;

/// What was built, where the build says so (-DPCAP_ZMQ_REVISION=...): a commit; else empty.
inline constexpr std::string_view kRevision = PCAP_ZMQ_REVISION;

/// What `program` prints for --version, with a newline.
inline std::string VersionLine(std::string_view program) {
  std::string line = std::string(program) + " " + std::string(kVersion);
  if (!kRevision.empty()) {
    line += " (revision " + std::string(kRevision) + ")";
  }
  return line + "\n";
}

}  // namespace pcap_zmq
