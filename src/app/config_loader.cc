// SPDX-License-Identifier: MIT
#include "app/config_loader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/config_environment.h"
#include "app/config_json.h"
#include "app/option.h"
#include "app/version.h"

namespace pcap_zmq {
namespace {

constexpr ProgramText kSenderText = {
    kSenderProgram, "Captures packets and sends them over ZeroMQ to pcap-zmq-recv on another host.",
    "  pcap-zmq-send 0,1 tcp://ids.example.org:1234\n"
    "  pcap-zmq-send --codec zstd --replay-speed max file:trace.pcap tcp://127.0.0.1:1234\n"};
constexpr ProgramText kReceiverText = {
    kReceiverProgram,
    "Receives packets from pcap-zmq-send and writes them as a capture that an IDS can read.",
    "  pcap-zmq-recv tcp://0.0.0.0:1234 /run/snort.pcap\n"
    "  pcap-zmq-recv tcp://0.0.0.0:1234 - | tcpdump -n -r -\n"};

using Given = std::vector<GivenValue>;

// A message is one line whatever the user's values hold.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned>(c));
      line += escaped.data();
    } else {
      line.push_back(c);
    }
  }
  return line;
}

ExitNow Fail(const ProgramText& program, std::string_view message) {
  return {"", std::string(program.name) + ": error: " + OneLine(message) + "\n", 2, ""};
}

std::vector<std::string> Spellings(const std::vector<Option>& options) {
  std::vector<std::string> spellings;
  for (const Option& option : options) {
    if (!option.positional) {
      spellings.push_back(option.Spelling());
    }
  }
  return spellings;
}

Error UnknownOption(std::string_view argument, const std::vector<Option>& options) {
  const std::string name(argument.substr(0, argument.find('=')));
  const std::string nearest = Nearest(name, Spellings(options));
  const bool close = EditDistance(name, nearest) <= std::max<size_t>(2, name.size() / 3);
  return ConfigError("unknown option " + name +
                     (close ? "; did you mean " + nearest + "? (see --help)" : "; see --help"));
}

// The arguments in the reverse order that CLI11 takes them in.
std::vector<std::string> ReversedArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  bool options_over = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    options_over = options_over || argument == "--";
    // CLI11 takes the next argument for the missing value of "--filter=".
    if (!options_over && argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      argument.pop_back();
      arguments.push_back(std::move(argument));
      arguments.emplace_back();
    } else {
      arguments.push_back(std::move(argument));
    }
  }
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

// Deals the positional arguments out: one each, and the rest to the list.
Result<Given> DealPositionals(const std::vector<std::string>& arguments,
                              const std::vector<Option>& options) {
  Given given;
  size_t next = 0;
  for (size_t i = 0; i < options.size() && next < arguments.size(); ++i) {
    if (!options[i].positional) {
      continue;
    }
    const size_t end = options[i].list ? arguments.size() : next + 1;
    GivenValue value{i, {}, "argument " + options[i].Spelling()};
    for (; next < end; ++next) {
      value.values.push_back(arguments[next]);
    }
    given.push_back(std::move(value));
  }
  return given;
}

// CLI11 splits the command line; values are parsed, and their errors worded, by the options.
Result<Given> ReadArguments(int argc, const char* const* argv, const std::vector<Option>& options) {
  std::vector<std::string> arguments = ReversedArguments(argc, argv);
  const std::string last = arguments.empty() ? "" : arguments.front();
  try {
    CLI::App parser;
    parser.set_help_flag();
    parser.allow_extras();
    std::vector<std::string> positionals;
    parser.add_option("ARGUMENTS", positionals);
    std::vector<std::pair<size_t, CLI::Option*>> bound;
    for (size_t i = 0; i < options.size(); ++i) {
      if (options[i].positional) {
        continue;
      }
      const std::string names = options[i].name == "help" ? "-h,--help" : options[i].Spelling();
      CLI::Option* option = options[i].kind == Option::Kind::kFlag
                                ? parser.add_flag(names)
                                : parser.add_option(names)->expected(1)->multi_option_policy(
                                      CLI::MultiOptionPolicy::TakeLast);
      bound.emplace_back(i, option);
    }
    parser.parse(std::move(arguments));
    for (const std::string& extra : parser.remaining()) {
      if (extra != "--") {
        return UnknownOption(extra, options);
      }
    }
    Result<Given> given = DealPositionals(positionals, options);
    for (const auto& [index, option] : bound) {
      if (option->count() > 0) {
        given.value().push_back(
            {index, {option->results().back()}, "flag " + options[index].Spelling()});
      }
    }
    return given;
  } catch (const CLI::ArgumentMismatch&) {
    // Every option takes what follows it, so only the last one can lack its value.
    return ConfigError("flag " + last + " needs a value; see --help");
  } catch (const CLI::Error& error) {
    return ConfigError(std::string(error.what()) + "; see --help");
  }
}

Status Apply(const Given& given, std::vector<Option>* options) {
  for (const GivenValue& value : given) {
    Option& option = (*options)[value.option];
    const Status status = option.set(value.values);
    if (!status.ok()) {
      return ConfigError(value.origin + ": " + status.error().message);
    }
    option.origin = value.origin;
  }
  return {};
}

// The file's values, if the command line or the environment names a file.
Result<Given> ReadFileLayer(const Given& arguments, const Given& environment,
                            const std::vector<Option>& options) {
  for (const Given* layer : {&arguments, &environment}) {
    for (const GivenValue& value : *layer) {
      if (options[value.option].name == "config" && !value.values.front().empty()) {
        return ReadConfigFile(value.values.front(), options);
      }
    }
  }
  return Given{};
}

// Those of `given` that ask for a text instead of a run.
Given Questions(const Given& given, const std::vector<Option>& options) {
  Given questions;
  std::copy_if(given.begin(), given.end(), std::back_inserter(questions),
               [&](const GivenValue& value) {
                 const std::string& name = options[value.option].name;
                 return name == "help" || name == "version";
               });
  return questions;
}

std::optional<ExitNow> Answer(const ProgramText& program, const Actions& actions,
                              const std::vector<Option>& options) {
  if (actions.help) {
    return ExitNow{FormatHelp(program, options), "", 0, ""};
  }
  if (actions.version) {
    return ExitNow{VersionLine(program.name), "", 0, ""};
  }
  return std::nullopt;
}

// Runs all layers over the options; a text to exit with instead of a run, or nothing.
std::optional<ExitNow> ApplyLayers(const ProgramText& program, const Given& arguments,
                                   const char* const* envp, const Actions& actions,
                                   const std::vector<Option>& sibling_options,
                                   std::vector<Option>* options) {
  // Help is given even where the rest of the configuration is broken; it shows the defaults, so
  // it comes before any value is stored.
  if (Status status = Apply(Questions(arguments, *options), options); !status.ok()) {
    return Fail(program, status.error().message);
  }
  if (std::optional<ExitNow> answer = Answer(program, actions, *options)) {
    return answer;
  }
  const Result<Given> environment = ReadEnvironment(envp, *options, sibling_options);
  if (!environment.ok()) {
    return Fail(program, environment.error().message);
  }
  if (Status status = Apply(Questions(environment.value(), *options), options); !status.ok()) {
    return Fail(program, status.error().message);
  }
  // The command line can take back what a variable asks for (--help=off).
  if (Status status = Apply(Questions(arguments, *options), options); !status.ok()) {
    return Fail(program, status.error().message);
  }
  if (std::optional<ExitNow> answer = Answer(program, actions, *options)) {
    return answer;
  }
  const Result<Given> file = ReadFileLayer(arguments, environment.value(), *options);
  if (!file.ok()) {
    return Fail(program, file.error().message);
  }
  for (const Given* layer : {&file.value(), &environment.value(), &arguments}) {
    if (Status status = Apply(*layer, options); !status.ok()) {
      return Fail(program, status.error().message);
    }
  }
  return std::nullopt;
}

ExitNow HealthCheck(const ProgramText& program, const std::string& metrics) {
  if (metrics.empty()) {
    return Fail(program, "flag --healthcheck: there is nobody to ask where --metrics is off");
  }
  ExitNow exit;
  exit.ask = metrics;
  return exit;
}

std::optional<ExitNow> MissingPositionals(const ProgramText& program,
                                          const std::vector<Option>& options) {
  std::string missing;
  std::string variables;
  for (const Option& option : options) {
    if (option.positional && option.origin.empty()) {
      missing += (missing.empty() ? "" : " and ") + option.Spelling();
      variables += (variables.empty() ? "" : " and ") + option.Variable();
    }
  }
  if (missing.empty()) {
    return std::nullopt;
  }
  ExitNow exit = Fail(program, "missing " + missing + " (or set " + variables + "); see --help");
  exit.err += FormatUsage(program, options);
  return exit;
}

// "flag --lwm, default of --hwm: ...".
ExitNow FailViolation(const ProgramText& program, const Violation& violation,
                      const std::vector<Option>& options) {
  std::string origins;
  for (const std::string& name : violation.options) {
    const auto option = std::find_if(options.begin(), options.end(),
                                     [&](const Option& o) { return o.name == name; });
    origins += origins.empty() ? "" : ", ";
    origins += option->origin.empty() ? "default of " + option->Spelling() : option->origin;
  }
  return Fail(program, origins + ": " + violation.message);
}

template <typename Config, typename Sibling>
std::variant<Config, ExitNow> Load(const ProgramText& program, int argc, const char* const* argv,
                                   const char* const* envp) {
  Config config;
  Actions actions;
  std::vector<Option> options = DescribeOptions(&config, &actions);
  Sibling sibling;
  Actions sibling_actions;
  const Result<Given> arguments = ReadArguments(argc, argv, options);
  if (!arguments.ok()) {
    return Fail(program, arguments.error().message);
  }
  if (std::optional<ExitNow> exit =
          ApplyLayers(program, arguments.value(), envp, actions,
                      DescribeOptions(&sibling, &sibling_actions), &options)) {
    return *std::move(exit);
  }
  if (actions.healthcheck) {
    return HealthCheck(program, config.metrics);
  }
  if (std::optional<ExitNow> exit = MissingPositionals(program, options)) {
    return *std::move(exit);
  }
  if (const std::optional<Violation> violation = FindViolation(config)) {
    return FailViolation(program, *violation, options);
  }
  if (actions.print_config) {
    return ExitNow{FormatConfigFile(options) + "\n", "", 0, ""};
  }
  return config;
}

template <typename Config>
std::string ConfigJson(Config config) {
  Actions actions;
  return FormatConfigFile(DescribeOptions(&config, &actions));
}

}  // namespace

std::variant<SenderConfig, ExitNow> LoadSenderConfig(int argc, const char* const* argv,
                                                     const char* const* envp) {
  return Load<SenderConfig, ReceiverConfig>(kSenderText, argc, argv, envp);
}

std::variant<ReceiverConfig, ExitNow> LoadReceiverConfig(int argc, const char* const* argv,
                                                         const char* const* envp) {
  return Load<ReceiverConfig, SenderConfig>(kReceiverText, argc, argv, envp);
}

std::string EffectiveConfigJson(const SenderConfig& config) {
  return ConfigJson(config);
}

std::string EffectiveConfigJson(const ReceiverConfig& config) {
  return ConfigJson(config);
}

}  // namespace pcap_zmq
