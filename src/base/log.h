// SPDX-License-Identifier: MIT
//
// Lines for the operator on stderr.  For start-up, state changes and faults; never one a packet.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"

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

/// A further key of a line in JSON, for programs that read the log.
struct LogField {
  std::string_view name;  ///< empty: left out
  std::variant<std::string_view, uint64_t> value;
};

/// The same with further keys; in text lines they are left out.
void Log(LogLevel level, std::string_view message, std::span<const LogField> fields);

/// A time of the wall clock as the lines have it: 2030-01-31T12:00:00.000Z.
std::string LogTime(Nanoseconds wall);

}  // namespace pcap_zmq
