// SPDX-License-Identifier: MIT
//
// The kinds of options: how a value of each type is read, kept and written.  For option_table.cc.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/option.h"
#include "base/units.h"

namespace pcap_zmq {

inline std::string Quote(std::string_view text) {
  return "'" + std::string(text) + "'";
}

// A scalar option from a parser that returns Result<T> and its inverse.
template <typename T, typename Parse, typename Format>
Option Scalar(Option option, T* field, Parse parse, Format format) {
  option.set = [field, parse](const Option::Values& values) -> Status {
    auto parsed = parse(std::string_view(values.front()));
    if (!parsed.ok()) {
      return parsed.error();
    }
    *field = std::move(parsed.value());
    return {};
  };
  option.get = [field, format] { return Option::Values{format(*field)}; };
  return option;
}

inline Option Text(Option option, std::string* field) {
  return Scalar(
      std::move(option), field,
      [](std::string_view text) -> Result<std::string> { return std::string(text); },
      [](const std::string& text) { return text; });
}

inline Option Rate(Option option, uint64_t* field) {
  option.kind = Option::Kind::kAmount;
  return Scalar(std::move(option), field, ParseRate, FormatRate);
}

inline Option Size(Option option, uint64_t* field) {
  option.kind = Option::Kind::kAmount;
  return Scalar(std::move(option), field, ParseSize, FormatSize);
}

inline Option Duration(Option option, Nanoseconds* field) {
  option.kind = Option::Kind::kAmount;
  return Scalar(std::move(option), field, ParseDuration, FormatDuration);
}

template <std::integral T>
Result<T> ParseInteger(std::string_view text) {
  T number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = end == text.data() + text.size();
  if (whole && error == std::errc::result_out_of_range) {
    return ConfigError(Quote(text) + " is too large");
  }
  if (!whole || error != std::errc()) {
    return ConfigError(Quote(text) + " is not a whole number");
  }
  return number;
}

template <std::integral T>
Option Integer(Option option, T* field) {
  option.kind = Option::Kind::kNumber;
  return Scalar(std::move(option), field, ParseInteger<T>,
                [](T number) { return std::to_string(number); });
}

inline Result<bool> ParseFlag(std::string_view text) {
  for (const std::string_view yes : {"1", "true", "yes", "on"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "false", "no", "off"}) {
    if (text == no) {
      return false;
    }
  }
  return ConfigError(Quote(text) +
                     " is neither yes nor no; write 1, true, yes or on, or 0, "
                     "false, no or off");
}

inline Option Flag(Option option, bool* field) {
  option.kind = Option::Kind::kFlag;
  return Scalar(std::move(option), field, ParseFlag,
                [](bool on) { return std::string(on ? "true" : "false"); });
}

template <typename Enum>
using Names = std::vector<std::pair<std::string, Enum>>;

template <typename Enum>
Option Choice(Option option, Enum* field, const Names<Enum>& names) {
  return Scalar(
      std::move(option), field,
      [names](std::string_view text) -> Result<Enum> {
        std::string known;
        for (const auto& [name, value] : names) {
          if (text == name) {
            return value;
          }
          known += (known.empty() ? "" : " or ") + name;
        }
        return ConfigError(Quote(text) + " is not known; write " + known);
      },
      [names](Enum value) {
        for (const auto& [name, named] : names) {
          if (named == value) {
            return name;
          }
        }
        return std::string();
      });
}

// A positional that takes several values, each parsed by `parse` and spelled by `format`.
template <typename T, typename Parse, typename Format>
Option List(Option option, std::vector<T>* field, Parse parse, Format format) {
  option.positional = true;
  option.list = true;
  option.set = [field, parse](const Option::Values& values) -> Status {
    std::vector<T> parsed;
    for (const std::string& value : values) {
      Result<T> one = parse(value);
      if (!one.ok()) {
        return one.error();
      }
      parsed.push_back(one.Take());
    }
    *field = std::move(parsed);
    return {};
  };
  option.get = [field, format] {
    Option::Values values;
    for (const T& one : *field) {
      values.push_back(format(one));
    }
    return values;
  };
  return option;
}

}  // namespace pcap_zmq
