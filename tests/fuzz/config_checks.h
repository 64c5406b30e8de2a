// SPDX-License-Identifier: MIT
//
// What holds of every configuration, for the targets that read one.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "app/config_loader.h"
#include "base/unique_fd.h"
#include "tests/fuzz/fuzz_support.h"

namespace pcap_zmq::testing {

/// What a program is started with.
struct Invocation {
  std::vector<std::string> arguments{};  ///< without the program's name
  std::vector<std::string> variables{};  ///< "NAME=value"
  bool has_file = false;                 ///< then the first argument is --config
  std::string file{};                    ///< the file's content
};

inline std::vector<const char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) {
    pointers.push_back(text.c_str());
  }
  pointers.push_back(nullptr);
  return pointers;
}

template <typename Config>
std::variant<Config, ExitNow> Load(const Invocation& invocation) {
  std::vector<std::string> arguments = {"program"};
  UniqueFd file;
  if (invocation.has_file) {
    file.Reset(::memfd_create("config", MFD_CLOEXEC));
    Require(file.valid(), "there is memory for a file");
    const std::string& content = invocation.file;
    Require(
        ::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
        "the file can be written");
    arguments.insert(arguments.end(), {"--config", "/proc/self/fd/" + std::to_string(file.get())});
  }
  arguments.insert(arguments.end(), invocation.arguments.begin(), invocation.arguments.end());
  const auto argv = Pointers(arguments);
  const auto envp = Pointers(invocation.variables);
  if constexpr (std::is_same_v<Config, SenderConfig>) {
    return LoadSenderConfig(static_cast<int>(arguments.size()), argv.data(), envp.data());
  } else {
    return LoadReceiverConfig(static_cast<int>(arguments.size()), argv.data(), envp.data());
  }
}

/// A message is one line of text, whatever the user's values hold; the usage may follow it.
inline void CheckExit(const ExitNow& exit) {
  if (exit.status == 0) {
    Require(exit.err.empty() && exit.out.empty() != exit.ask.empty(), "an answer or a question");
    return;
  }
  Require(exit.status == 2 && exit.out.empty() && exit.ask.empty(), "refused with status 2");
  Require(exit.err.starts_with("pcap-zmq-") && exit.err.find(": error: ") < exit.err.find('\n') &&
              exit.err.ends_with('\n'),
          "refused with a message");
  const auto lines = std::count(exit.err.begin(), exit.err.end(), '\n');
  Require(lines == 1 || exit.err.find("\nusage: pcap-zmq-") != std::string::npos,
          "refused in one line");
  Require(std::none_of(exit.err.begin(), exit.err.end(),
                       [](char c) { return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7f; }),
          "a message does nothing to the terminal");
}

/// Paths need not be UTF-8 but JSON must be: such a configuration prints with U+FFFD in it.
inline bool IsExact(std::string_view json) {
  return json.find("\xef\xbf\xbd") == std::string_view::npos;
}

/// What is accepted can be printed and read back, alone and as the file below what was given; what
/// is not is told in text with status 2.
template <typename Config>
void CheckInvocation(const Invocation& invocation) {
  const auto outcome = Load<Config>(invocation);
  if (const auto* exit = std::get_if<ExitNow>(&outcome)) {
    CheckExit(*exit);
    return;
  }
  const auto& config = std::get<Config>(outcome);
  Require(!FindViolation(config).has_value(), "what is accepted is valid");
  Invocation printed;
  printed.has_file = true;
  printed.file = EffectiveConfigJson(config);
  if (!IsExact(printed.file)) {
    return;
  }
  for (const bool alone : {true, false}) {
    if (!alone) {
      printed.arguments = invocation.arguments;
      printed.variables = invocation.variables;
    }
    const auto again = Load<Config>(printed);
    const auto* same = std::get_if<Config>(&again);
    Require(same != nullptr, "what is printed can be read");
    Require(*same == config, "what is printed is what was read");
  }
}

}  // namespace pcap_zmq::testing
