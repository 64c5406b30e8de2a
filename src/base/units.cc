// SPDX-License-Identifier: MIT
#include "base/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

namespace pcap_zmq {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKi = 1024;
constexpr double kMi = kKi * 1024;
constexpr double kGi = kMi * 1024;

constexpr std::array kSizeUnits = {Unit{"B", 1},     Unit{"KiB", kKi}, Unit{"MiB", kMi},
                                   Unit{"GiB", kGi}, Unit{"kB", 1e3},  Unit{"KB", 1e3},
                                   Unit{"MB", 1e6},  Unit{"GB", 1e9}};
constexpr std::array kRateUnits = {
    Unit{"B/s", 1},      Unit{"KiB/s", kKi},  Unit{"MiB/s", kMi},    Unit{"GiB/s", kGi},
    Unit{"kB/s", 1e3},   Unit{"KB/s", 1e3},   Unit{"MB/s", 1e6},     Unit{"GB/s", 1e9},
    Unit{"bit/s", .125}, Unit{"kbit/s", 125}, Unit{"Mbit/s", 125e3}, Unit{"Gbit/s", 125e6}};
constexpr std::array kDurationUnits = {Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"ms", 1e6},
                                       Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};

// Doubles are exact up to here, and no sensible size, rate or duration is larger.
constexpr double kLargest = 9007199254740992.0;

template <typename Units>
Result<double> Parse(std::string_view text, const Units& units, double plain_factor,
                     std::string_view what, std::string_view example) {
  const auto fail = [&]() -> Error {
    std::string known;
    for (const Unit& unit : units) {
      known += known.empty() ? "" : ", ";
      known += unit.name;
    }
    std::string message = "'";
    message.append(text).append("' is not a ").append(what);
    message.append("; write a number and one of ").append(known);
    message.append(", such as ").append(example);
    return ConfigError(std::move(message));
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) {
    return fail();
  }
  std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  suffix.remove_prefix(std::min(suffix.find_first_not_of(' '), suffix.size()));
  double factor = plain_factor;
  if (!suffix.empty()) {
    const auto unit = std::find_if(std::begin(units), std::end(units),
                                   [&](const Unit& u) { return u.name == suffix; });
    if (unit == std::end(units)) {
      return fail();
    }
    factor = unit->factor;
  }
  const double value = number * factor;
  if (value > kLargest) {
    return fail();
  }
  return std::round(value);
}

// The largest unit of which `value` is a whole multiple.
std::string Format(uint64_t value, std::initializer_list<Unit> large_to_small) {
  for (const Unit& unit : large_to_small) {
    const auto factor = static_cast<uint64_t>(unit.factor);
    if (value % factor == 0 && value != 0) {
      return std::to_string(value / factor) + std::string(unit.name);
    }
  }
  return std::to_string(value) + std::string((large_to_small.end() - 1)->name);
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  auto value = Parse(text, kSizeUnits, 1, "size", "64KiB");
  if (!value.ok()) {
    return value.error();
  }
  return static_cast<uint64_t>(value.value());
}

Result<uint64_t> ParseRate(std::string_view text) {
  auto value = Parse(text, kRateUnits, kMi, "rate", "8MiB/s (a plain number is MiB/s)");
  if (!value.ok()) {
    return value.error();
  }
  return static_cast<uint64_t>(value.value());
}

Result<Nanoseconds> ParseDuration(std::string_view text) {
  auto value = Parse(text, kDurationUnits, 1e9, "duration", "10ms (a plain number is seconds)");
  if (!value.ok()) {
    return value.error();
  }
  return static_cast<Nanoseconds>(value.value());
}

std::string FormatSize(uint64_t bytes) {
  return Format(bytes, {{"GiB", kGi}, {"MiB", kMi}, {"KiB", kKi}, {"B", 1}});
}

std::string FormatRate(uint64_t bytes_per_second) {
  return Format(bytes_per_second, {{"GiB/s", kGi}, {"MiB/s", kMi}, {"KiB/s", kKi}, {"B/s", 1}});
}

std::string FormatDuration(Nanoseconds duration) {
  if (duration == 0) {
    return "0s";
  }
  return Format(static_cast<uint64_t>(duration),
                {{"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}});
}

}  // namespace pcap_zmq
