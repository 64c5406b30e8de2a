// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string>

#include "base/utf8.h"

namespace pcap_zmq {
namespace {

// Set once before threads start, read-only afterwards.
std::string_view log_program = "pcap-zmq";
LogFormat log_format = LogFormat::kText;

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

// Escapes as JSON does; in text lines quotes and backslashes stay as they are.
void AppendEscaped(std::string* line, std::string_view text, bool json) {
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const size_t length = CharacterLength(text, at);
    // Those of one byte, and U+0080 to U+009F, whose second byte is their number.
    const auto code = static_cast<unsigned char>(c == '\xc2' && length == 2 ? text[at + 1] : c);
    if (code < 0x20 || code == 0x7f || (length == 2 && c == '\xc2' && code < 0xa0)) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(code));
      line->append(escaped.data());
    } else if (length == 0) {
      line->append(kReplacementCharacter);
    } else {
      if (json && (c == '"' || c == '\\')) {
        line->push_back('\\');
      }
      line->append(text.substr(at, length));
    }
    at += std::max<size_t>(length, 1);
  }
}

void AppendField(std::string* line, const LogField& field) {
  if (field.name.empty()) {
    return;
  }
  line->append(",\"").append(field.name).append("\":");
  if (const auto* number = std::get_if<uint64_t>(&field.value)) {
    line->append(std::to_string(*number));
    return;
  }
  line->push_back('"');
  AppendEscaped(line, std::get<std::string_view>(field.value), true);
  line->push_back('"');
}

}  // namespace

void SetUpLog(std::string_view program, LogFormat format) {
  log_program = program;
  log_format = format;
}

std::string LogTime(Nanoseconds wall) {
  const time_t seconds = wall / kNanosPerSecond;
  tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> millis{};
  std::snprintf(millis.data(), millis.size(), ".%03dZ",
                static_cast<int>(wall % kNanosPerSecond / kNanosPerMilli));
  return std::string(text.data(), length) + millis.data();
}

void Log(LogLevel level, std::string_view message) {
  Log(level, message, {});
}

void Log(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  std::string line;
  if (log_format == LogFormat::kJson) {
    line = R"({"time":")" + LogTime(SystemClock().WallNow()) + R"(","level":")";
    line.append(Name(level)).append(R"(","program":")").append(log_program);
    line.append(R"(","message":")");
    AppendEscaped(&line, message, true);
    line.push_back('"');
    for (const LogField& field : fields) {
      AppendField(&line, field);
    }
    line.append("}\n");
  } else {
    line.append(log_program).append(": ");
    if (level != LogLevel::kInfo) {
      line.append(Name(level)).append(": ");
    }
    AppendEscaped(&line, message, false);
    line.push_back('\n');
  }
  // Nobody is left to tell when stderr is gone.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace pcap_zmq
