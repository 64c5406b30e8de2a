// SPDX-License-Identifier: MIT
//
// What the benchmark's programs share: arguments, signals, clocks, faults.
#pragma once

#include <csignal>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pcap_zmq::bench {

/// Prints "PROGRAM: message: errno's words" and ends the process with 1.
[[noreturn]] void Fail(const std::string& message);

/// Positional arguments and `--name value` pairs, as the program's usage line promises.
struct Arguments {
  std::vector<std::string> positional;
  std::map<std::string, std::string> options;

  /// Errors:  not a number in the range, or missing without a fallback: ends the process with 2.
  uint64_t Number(const std::string& name, uint64_t low, uint64_t high) const;
  uint64_t NumberOr(const std::string& name, uint64_t fallback, uint64_t low, uint64_t high) const;
  bool Has(const std::string& name) const { return options.contains(name); }
};

/// Errors:  anything that `usage` does not name, or another number of positional arguments, prints
///          the usage line and ends the process with 2.
/// Shape:   `valued` and `flags` are names without dashes.
Arguments Parse(int argc, char** argv, std::string_view usage, size_t positional,
                const std::vector<std::string>& valued, const std::vector<std::string>& flags = {});

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t MonotonicNow();
/// CPU time of the whole process in seconds.
double CpuSeconds();

/// Set by SIGTERM and SIGINT, and by SIGUSR1; both signals interrupt system calls.
extern volatile std::sig_atomic_t stop_requested;
extern volatile std::sig_atomic_t window_requested;
void HandleSignals();

/// Tells whoever started the program that it can begin.
void SayReady();

}  // namespace pcap_zmq::bench
