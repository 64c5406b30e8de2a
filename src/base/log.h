// SPDX-License-Identifier: MIT
//
// Lines for the operator on stderr.  For start-up, state changes and faults; never one a packet.
#pragma once

#include <string_view>

namespace pcap_zmq {

enum class LogLevel { kInfo, kWarning, kError };
enum class LogFormat {
  kText,  ///< "pcap-zmq-send: warning: ..."
  kJson,  ///< {"time":"...Z","level":"warning","program":"pcap-zmq-send","message":"..."}
};

/// Names the program in every later line.  Call once, before other threads start; `program` must
/// live as long as the process.
void SetUpLog(std::string_view program, LogFormat format);

/// Writes one line with one write(2).  Control characters in `message` are escaped; bytes that are
/// not UTF-8, as in the name of a file, become U+FFFD.
/// Threads: any.
void Log(LogLevel level, std::string_view message);

}  // namespace pcap_zmq
