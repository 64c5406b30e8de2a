// SPDX-License-Identifier: MIT
//
// One description an option, from which the command line, the environment, the JSON file, --help
// and --print-config are all made.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "base/result.h"

namespace pcap_zmq {

/// One thing that can be configured, bound to the field that holds its value.
/// Owns:    borrows the configuration that it was made for.
struct Option {
  enum class Kind {
    kText,    ///< a text in JSON
    kAmount,  ///< a text with a unit in JSON; a plain number is understood as well
    kNumber,  ///< a number in JSON
    kFlag,    ///< true or false; on the command line its presence means true
  };
  using Values = std::vector<std::string>;

  std::string name;   ///< long name without dashes, and JSON key
  std::string group;  ///< heading in --help
  std::string value;  ///< what stands for the value in --help: "RATE"; empty for flags
  std::string help;
  Kind kind = Kind::kText;
  bool positional = false;
  bool list = false;           ///< several values, else exactly one
  bool in_file = true;         ///< is a key of the JSON file
  std::string default_note{};  ///< in --help, in place of the value that get() gives
  /// The variable may end in _FILE too, as the secrets of containers have it.
  bool names_file = false;

  /// Parses and stores; kConfig errors say what was wrong with the text.
  std::function<Status(const Values&)> set{};
  /// The stored value as set() would read it.
  std::function<Values()> get{};
  /// Where the value came from, for messages; empty: the default.
  std::string origin{};

  /// "PCAP_ZMQ_RATE_WINDOW".
  std::string Variable() const;
  /// "SOURCE" or "--rate-window".
  std::string Spelling() const;
};

inline constexpr std::string_view kVariablePrefix = "PCAP_ZMQ_";

/// What the process is to do instead of running, or before.
struct Actions {
  bool help = false;
  bool version = false;
  bool print_config = false;
  bool healthcheck = false;
  std::string config_file;
};

/// All options of a program in the order of --help, positionals first, bound to `config`.
/// Owns:    borrows both; either may be a throw-away when only names are of interest.
std::vector<Option> DescribeOptions(SenderConfig* config, Actions* actions);
std::vector<Option> DescribeOptions(ReceiverConfig* config, Actions* actions);

/// The text of --help.
struct ProgramText {
  std::string_view name;      ///< "pcap-zmq-send"
  std::string_view purpose;   ///< one paragraph
  std::string_view examples;  ///< lines, indented by two
};
std::string FormatHelp(const ProgramText& program, const std::vector<Option>& options);

/// "usage: pcap-zmq-send [OPTIONS] SOURCE ENDPOINT..." and a newline.
std::string FormatUsage(const ProgramText& program, const std::vector<Option>& options);

/// The candidate that takes the fewest edits to make from `text`; empty without candidates.
std::string Nearest(std::string_view text, const std::vector<std::string>& candidates);

/// Single-character insertions, deletions and replacements between the two.
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace pcap_zmq
