// SPDX-License-Identifier: MIT
#include "app/config_environment.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace pcap_zmq {
namespace {

// What Kubernetes sets in every container for services whose names begin with pcap-zmq.
bool IsServiceVariable(std::string_view name) {
  return name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") ||
         name.find("_PORT_") != std::string_view::npos ||
         name.find("_SERVICE_PORT") != std::string_view::npos;
}

Option::Values SplitList(std::string_view text) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  Option::Values values;
  size_t begin = text.find_first_not_of(kSeparators);
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    values.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSeparators, end);
  }
  return values;
}

}  // namespace

Result<std::vector<GivenValue>> ReadEnvironment(const char* const* envp,
                                                const std::vector<Option>& options,
                                                const std::vector<Option>& sibling_options) {
  std::vector<GivenValue> given;
  std::vector<std::string> known;
  std::vector<size_t> index_of;  // of the option that each of `known` sets
  for (const std::vector<Option>* program : {&options, &sibling_options}) {
    for (const Option& option : *program) {
      const size_t index = static_cast<size_t>(&option - program->data()) +
                           (program == &sibling_options ? options.size() : 0);
      known.push_back(option.Variable());
      index_of.push_back(index);
      if (option.names_file) {
        known.push_back(option.Variable() + "_FILE");
        index_of.push_back(index);
      }
    }
  }
  for (; *envp != nullptr; ++envp) {
    const std::string_view entry = *envp;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (!name.starts_with(kVariablePrefix) || name.size() == entry.size()) {
      continue;
    }
    const auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end()) {
      if (IsServiceVariable(name)) {
        continue;
      }
      return ConfigError("variable " + std::string(name) + " is not known; did you mean " +
                         Nearest(name, known) + "?");
    }
    const size_t index = index_of[static_cast<size_t>(at - known.begin())];
    const std::string_view value = entry.substr(name.size() + 1);
    // One environment often serves both programs, and an empty variable is how people unset one.
    if (index >= options.size() || value.empty()) {
      continue;
    }
    Option::Values values =
        options[index].list ? SplitList(value) : Option::Values{std::string(value)};
    const auto twin = std::find_if(given.begin(), given.end(), [&](const GivenValue& other) {
      return other.option == index && other.values != values;
    });
    if (twin != given.end()) {
      return ConfigError("variable " + std::string(name) + " and " + twin->origin +
                         " disagree; set one of them");
    }
    if (!values.empty()) {
      given.push_back({index, std::move(values), "variable " + std::string(name)});
    }
  }
  return given;
}

}  // namespace pcap_zmq
