// SPDX-License-Identifier: MIT
//
// Any command line and environment of either program, above a configuration file or not.
//
// Input: lines.  Behind a '$' stands a variable without its PCAP_ZMQ_, behind a '#' a line of the
// configuration file; every other line is an argument.
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/config_checks.h"

namespace {

using pcap_zmq::testing::CheckExit;
using pcap_zmq::testing::CheckInvocation;
using pcap_zmq::testing::Invocation;
using pcap_zmq::testing::IsExact;
using pcap_zmq::testing::Load;
using pcap_zmq::testing::Require;

// Values that name a file of this machine are left out: what is in it is not the input.
bool NamesAFile(std::string_view line) {
  return line.starts_with("--config") || line.starts_with("$CONFIG=");
}

Invocation Parse(std::string_view text) {
  Invocation invocation;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (NamesAFile(line)) {
      continue;
    }
    if (line.starts_with('#')) {
      invocation.has_file = true;
      invocation.file.append(line.substr(1)).append("\n");
    } else if (line.starts_with('$')) {
      invocation.variables.push_back("PCAP_ZMQ_" + std::string(line.substr(1)));
    } else {
      invocation.arguments.emplace_back(line);
    }
  }
  return invocation;
}

// Asked to print its configuration, a program prints what it would run with.
template <typename Config>
void CheckPrinting(Invocation invocation) {
  const auto outcome = Load<Config>(invocation);
  const auto* config = std::get_if<Config>(&outcome);
  invocation.arguments.insert(invocation.arguments.begin(), "--print-config");
  const auto printing = Load<Config>(invocation);
  if (const auto* exit = std::get_if<pcap_zmq::ExitNow>(&printing)) {
    CheckExit(*exit);
    if (config != nullptr) {
      Require(exit->out == pcap_zmq::EffectiveConfigJson(*config) + "\n",
              "what is printed is what is run");
    }
  } else {
    // --print-config=off further on takes the request back.
    Require(config != nullptr && std::get<Config>(printing) == *config,
            "a flag taken back is none");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Invocation invocation = Parse({reinterpret_cast<const char*>(data), size});
  CheckInvocation<pcap_zmq::SenderConfig>(invocation);
  CheckInvocation<pcap_zmq::ReceiverConfig>(invocation);
  CheckPrinting<pcap_zmq::SenderConfig>(invocation);
  CheckPrinting<pcap_zmq::ReceiverConfig>(invocation);
  return 0;
}
