// SPDX-License-Identifier: MIT
#include "tests/bench/bench_support.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pcap_zmq::bench {
namespace {

[[noreturn]] void Refuse(const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, message.c_str());
  std::exit(2);
}

bool IsIn(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

volatile std::sig_atomic_t stop_requested = 0;
volatile std::sig_atomic_t window_requested = 0;

void Fail(const std::string& message) {
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, message.c_str(),
               std::strerror(errno));
  std::exit(1);
}

uint64_t Arguments::NumberOr(const std::string& name, uint64_t fallback, uint64_t low,
                             uint64_t high) const {
  return Has(name) ? Number(name, low, high) : fallback;
}

uint64_t Arguments::Number(const std::string& name, uint64_t low, uint64_t high) const {
  const auto found = options.find(name);
  if (found == options.end()) {
    Refuse("--" + name + " is missing");
  }
  const std::string& text = found->second;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    Refuse("--" + name + " " + text + " is not a number from " + std::to_string(low) + " to " +
           std::to_string(high));
  }
  return value;
}

Arguments Parse(int argc, char** argv, std::string_view usage, size_t positional,
                const std::vector<std::string>& valued, const std::vector<std::string>& flags) {
  Arguments arguments;
  bool good = true;
  for (int i = 1; i < argc && good; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) {
      arguments.positional.push_back(word);
      continue;
    }
    const std::string name = word.substr(2);
    if (IsIn(flags, name)) {
      arguments.options[name] = "";
    } else if (IsIn(valued, name) && i + 1 < argc) {
      arguments.options[name] = argv[++i];
    } else {
      good = false;
    }
  }
  if (!good || arguments.positional.size() != positional) {
    Refuse("usage: " + std::string(usage));
  }
  return arguments;
}

uint64_t MonotonicNow() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

void HandleSignals() {
  struct sigaction action {};  // without SA_RESTART
  action.sa_handler = [](int) { stop_requested = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = [](int) { window_requested = 1; };
  ::sigaction(SIGUSR1, &action, nullptr);
}

void SayReady() {
  std::puts("ready");
  std::fflush(stdout);
}

}  // namespace pcap_zmq::bench
