// SPDX-License-Identifier: MIT
//
// Where a configuration comes from: defaults, then a JSON file, then PCAP_ZMQ_ variables, then the
// command line, each beating the one before.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "app/config.h"

namespace pcap_zmq {

inline constexpr std::string_view kSenderProgram = "pcap-zmq-send";
inline constexpr std::string_view kReceiverProgram = "pcap-zmq-recv";

/// Nothing to run: print the texts, ask for the health if that was wanted, and exit.
struct ExitNow {
  std::string out;  ///< for stdout: --help, --version, --print-config
  std::string err;  ///< for stderr: one line that says what was wrong, where, and what to do
  int status = 0;   ///< 0, or 2 for a wrong configuration
  std::string ask;  ///< not empty: ask /healthz at this --metrics address for the status
};

/// Reads the whole configuration and validates it.
///
/// A value that cannot be read is an error even where another source would have beaten it.
/// Shape:   `envp` ends with a null pointer, as main() and environ(7) have it.
/// Errors:  in ExitNow; nothing is printed here.
std::variant<SenderConfig, ExitNow> LoadSenderConfig(int argc, const char* const* argv,
                                                     const char* const* envp);
std::variant<ReceiverConfig, ExitNow> LoadReceiverConfig(int argc, const char* const* argv,
                                                         const char* const* envp);

/// The configuration as --print-config shows it and --config reads it back; holds no secrets.
std::string EffectiveConfigJson(const SenderConfig& config);
std::string EffectiveConfigJson(const ReceiverConfig& config);

}  // namespace pcap_zmq
