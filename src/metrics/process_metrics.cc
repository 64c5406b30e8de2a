// SPDX-License-Identifier: MIT
#include "metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace pcap_zmq {
namespace {

// Fields of /proc/self/stat as proc(5) numbers them, less the two up to the closing parenthesis
// and counted from 0.
constexpr size_t kUserTime = 14 - 3;
constexpr size_t kSystemTime = 15 - 3;
constexpr size_t kThreads = 20 - 3;
constexpr size_t kStartTime = 22 - 3;
constexpr size_t kVirtualSize = 23 - 3;
constexpr size_t kResidentPages = 24 - 3;

/// Fields of /proc/self/stat from the third on; empty when it cannot be read.
std::vector<std::string> ReadStatFields() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text, '\0');
  // The second field is the program's name, in which blanks and parentheses may stand.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return {};
  }
  std::istringstream rest(text.substr(name_end + 1));
  std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  return fields.size() > kResidentPages ? fields : std::vector<std::string>{};
}

double Number(const std::string& field) {
  double value = 0;
  std::istringstream(field) >> value;
  return value;
}

/// When the machine was booted, in seconds since the Unix epoch.
std::optional<double> ReadBootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) {
      return Number(line.substr(6));
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> CountOpenFds() {
  std::error_code error;
  uint64_t entries = 0;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    ++entries;
  }
  if (error || entries == 0) {
    return std::nullopt;
  }
  return entries - 1;  // less the descriptor with which we read the directory
}

}  // namespace

void AddProcessMetrics(Exposition* out) {
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (const std::vector<std::string> stat = ReadStatFields(); !stat.empty()) {
    out->Add(Metric::kProcessCpu, {},
             (Number(stat[kUserTime]) + Number(stat[kSystemTime])) / ticks_per_second);
    out->Add(Metric::kProcessResidentMemory, {}, Number(stat[kResidentPages]) * page_bytes);
    out->Add(Metric::kProcessVirtualMemory, {}, Number(stat[kVirtualSize]));
    out->Add(Metric::kProcessThreads, {}, Number(stat[kThreads]));
    // Read once: the kernel derives it from the wall clock, whose steps would move it.
    static const std::optional<double> boot_time = ReadBootTime();
    if (boot_time) {
      out->Add(Metric::kProcessStartTime, {},
               *boot_time + Number(stat[kStartTime]) / ticks_per_second);
    }
  }
  if (const std::optional<uint64_t> open_fds = CountOpenFds()) {
    out->Add(Metric::kProcessOpenFds, {}, *open_fds);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    out->Add(Metric::kProcessMaxFds, {}, uint64_t{limit.rlim_cur});
  }
}

}  // namespace pcap_zmq
