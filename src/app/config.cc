// SPDX-License-Identifier: MIT
#include "app/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "app/endpoint.h"
#include "base/packet.h"
#include "base/sender_name.h"
#include "base/units.h"
#include "codec/frame_format.h"

namespace pcap_zmq {
namespace {

constexpr std::string_view kListSeparators = ", \t\n";

std::string Quote(std::string_view text) {
  return "'" + std::string(text) + "'";
}

std::string Capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

Result<uint16_t> ParseGroup(std::string_view text) {
  uint16_t group = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group);
  const bool whole = end == text.data() + text.size();
  if (error == std::errc::result_out_of_range && whole) {
    return ConfigError("NFLOG group " + std::string(text) +
                       " does not exist: groups are 0 to 65535");
  }
  if (error != std::errc() || !whole) {
    return ConfigError(Quote(text) +
                       " is not a source; write NFLOG groups (0,1), pcap:INTERFACE, file:PATH or "
                       "- for stdin");
  }
  return group;
}

Result<SourceSpec> ParseGroups(std::string_view text) {
  SourceSpec source;
  size_t begin = text.find_first_not_of(kListSeparators);
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kListSeparators, begin), text.size());
    Result<uint16_t> group = ParseGroup(text.substr(begin, end - begin));
    if (!group.ok()) {
      return group.error();
    }
    if (std::find(source.groups.begin(), source.groups.end(), group.value()) !=
        source.groups.end()) {
      return ConfigError("NFLOG group " + std::to_string(group.value()) + " is given twice");
    }
    source.groups.push_back(group.value());
    begin = text.find_first_not_of(kListSeparators, end);
  }
  if (source.groups.empty()) {
    return ConfigError(Quote(text) + " names no NFLOG group; write groups such as 0,1");
  }
  return source;
}

// Collects the first violation; later checks then no longer matter.
class Checker {
 public:
  void Require(bool holds, std::vector<std::string> options, std::string message) {
    if (!holds && !violation_) {
      violation_ = Violation{std::move(options), std::move(message)};
    }
  }

  void Require(const Status& status, const char* option) {
    if (!status.ok()) {
      Require(false, {option}, status.error().message);
    }
  }

  template <typename T, typename Format>
  void Range(const char* option, T value, T low, T high, Format format) {
    Require(value >= low && value <= high, {option},
            format(value) + " is out of range; allowed are " + format(low) + " to " + format(high));
  }

  void Size(const char* option, uint64_t value, uint64_t low, uint64_t high) {
    Range(option, value, low, high, FormatSize);
  }
  void Duration(const char* option, Nanoseconds value, Nanoseconds low, Nanoseconds high) {
    Range(option, value, low, high, FormatDuration);
  }
  void Count(const char* option, int64_t value, int64_t low, int64_t high) {
    Range(option, value, low, high, [](int64_t count) { return std::to_string(count); });
  }

  void Metrics(const std::string& address) {
    if (!address.empty()) {
      Require(CheckListenAddress(address), "metrics");
    }
  }

  std::optional<Violation> Take() { return std::move(violation_); }

 private:
  std::optional<Violation> violation_;
};

void CheckSource(const SenderConfig& config, Checker* checker) {
  const SourceSpec& source = config.source;
  const bool nflog = source.kind == SourceSpec::Kind::kNflog;
  checker->Require(nflog ? !source.groups.empty() : !source.name.empty(), {"source"},
                   "says nothing to capture; write NFLOG groups such as 0,1");
  checker->Require(config.filter.empty() || !nflog, {"filter"},
                   "works on pcap: and file: sources only; for NFLOG put the condition into the "
                   "firewall rule");
  checker->Require(config.replay_speed == 1 || source.kind == SourceSpec::Kind::kFile,
                   {"replay-speed"}, "works on file: sources only");
  checker->Require(config.replay_speed == 0 ||
                       (config.replay_speed >= 0.001 && config.replay_speed <= 1'000'000),
                   {"replay-speed"},
                   "is out of range; allowed are 0.001 to 1000000 (times the recorded speed) and "
                   "max");
  checker->Require(!config.pump_per_group || nflog, {"pump-per-group"},
                   "works on NFLOG sources only");
  checker->Count("snaplen", config.snaplen, 64, kMaxCapturedLength);
  // A socket's buffer size is an int, which the kernel doubles.
  checker->Size("nflog-buffer", config.nflog_buffer, 256 * kKiB, kGiB);
  checker->Count("nflog-threshold", config.nflog_threshold, 0, 65'535);
  checker->Duration("batch-latency", config.batch_latency, 10 * kNanosPerMicro, kNanosPerSecond);
  checker->Duration("nflog-flush", config.nflog_flush, 10 * kNanosPerMilli, 10 * kNanosPerSecond);
  checker->Require(
      config.nflog_flush % (10 * kNanosPerMilli) == 0, {"nflog-flush"},
      FormatDuration(config.nflog_flush) + " is not a multiple of 10ms, the kernel's unit for it");
}

void CheckRates(const SenderConfig& config, Checker* checker) {
  checker->Require(config.hwm == 0 || LowWatermark(config) <= config.hwm, {"lwm", "hwm"},
                   "the low watermark " + FormatRate(LowWatermark(config)) +
                       " is above the high watermark " + FormatRate(config.hwm) +
                       "; lower --lwm or raise --hwm");
  checker->Duration("rate-window", config.rate_window, 10 * kNanosPerMilli, 60 * kNanosPerSecond);
  checker->Duration("squash-linger", config.squash_linger, 0, 10 * kNanosPerSecond);
  const bool zlib = config.codec == CodecChoice::kZlib;
  const int low = zlib ? 1 : -7;
  const int high = zlib ? 9 : 19;
  checker->Require(
      config.codec_level == 0 || (config.codec_level >= low && config.codec_level <= high),
      {"codec-level", "codec"},
      std::string(zlib ? "zlib has no level " : "zstd has no level ") +
          std::to_string(config.codec_level) + "; allowed are " + std::to_string(low) + " to " +
          std::to_string(high) + ", and 0 for its default");
}

// Two options that make sense only together.
void CheckKeys(const std::string& own, const char* other_option, const std::string& other,
               Checker* checker) {
  checker->Require(own.empty() == other.empty(), {"curve-key", other_option},
                   "encryption needs both: --curve-key with one's own secret key, and --" +
                       std::string(other_option) + " with the other side's");
}

// Buffers larger than this are typing errors.
constexpr uint64_t kLargestBuffer = 1024 * kGiB;
constexpr uint64_t kLeastMemory = 32 * kMiB;
constexpr int64_t kMostFrames = 1'000'000;
constexpr Nanoseconds kLongestDrain = 3600 * kNanosPerSecond;
constexpr Nanoseconds kLongestResolveInterval = 3600 * kNanosPerSecond;

Status ToStatus(std::optional<Violation> violation) {
  if (!violation) {
    return {};
  }
  std::string names;
  for (const std::string& option : violation->options) {
    const bool positional = option == "source" || option == "endpoint" || option == "output";
    names += (names.empty() ? "" : ", ") + (positional ? Capitals(option) : "--" + option);
  }
  return ConfigError(names + ": " + violation->message);
}

}  // namespace

Result<SourceSpec> ParseSource(std::string_view text) {
  const auto named = [&](SourceSpec::Kind kind, std::string_view name,
                         std::string_view example) -> Result<SourceSpec> {
    if (name.empty()) {
      return ConfigError(Quote(text) + " lacks a name; write " + std::string(example));
    }
    return SourceSpec{kind, {}, std::string(name)};
  };
  if (text == "-") {
    return named(SourceSpec::Kind::kFile, text, "");
  }
  if (text.starts_with("nflog:")) {
    return ParseGroups(text.substr(6));
  }
  if (text.starts_with("pcap:")) {
    return named(SourceSpec::Kind::kLive, text.substr(5), "pcap:eth0");
  }
  if (text.starts_with("file:")) {
    return named(SourceSpec::Kind::kFile, text.substr(5), "file:trace.pcap");
  }
  return ParseGroups(text);
}

std::string FormatSource(const SourceSpec& source) {
  if (source.kind != SourceSpec::Kind::kNflog) {
    return (source.kind == SourceSpec::Kind::kLive ? "pcap:" : "file:") + source.name;
  }
  std::string text;
  for (const uint16_t group : source.groups) {
    text += (text.empty() ? "nflog:" : ",") + std::to_string(group);
  }
  return text;
}

Result<OutputSpec> ParseOutput(std::string_view text) {
  if (text == "-") {
    return OutputSpec{OutputSpec::Kind::kStdout, "", "-"};
  }
  if (text.find("://") != std::string_view::npos) {
    return ConfigError(Quote(text) +
                       " is an endpoint where an output should be; the receiver takes one "
                       "ENDPOINT, then paths");
  }
  const bool file = text.starts_with("file:");
  const std::string_view path = file ? text.substr(5) : text;
  if (path.empty()) {
    return ConfigError(Quote(text) +
                       " names no output; write the path of a FIFO, file:PATH or - for stdout");
  }
  return OutputSpec{file ? OutputSpec::Kind::kFile : OutputSpec::Kind::kFifo, std::string(path),
                    std::string(text)};
}

std::string DefaultSenderName() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    return "sender";
  }
  std::string name = std::string(host.data()).substr(0, kMaxSenderName);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !IsSenderNameCharacter(c); }, '_');
  return name.empty() ? "sender" : name;
}

std::optional<Violation> FindViolation(const SenderConfig& config) {
  Checker checker;
  CheckSource(config, &checker);
  checker.Require(!config.endpoints.empty(), {"endpoint"},
                  "says nowhere to send to; write tcp://ids.example.org:1234");
  for (auto endpoint = config.endpoints.begin(); endpoint != config.endpoints.end(); ++endpoint) {
    checker.Require(CheckConnectEndpoint(*endpoint), "endpoint");
    checker.Require(std::find(config.endpoints.begin(), endpoint, *endpoint) == endpoint,
                    {"endpoint"}, Quote(*endpoint) + " is given twice");
  }
  CheckRates(config, &checker);
  CheckKeys(config.curve_key, "server-key", config.server_key, &checker);
  const bool exposed = std::any_of(config.endpoints.begin(), config.endpoints.end(),
                                   [](const std::string& one) { return LeavesTheHost(one); });
  checker.Require(!config.require_encryption || !config.curve_key.empty() || !exposed,
                  {"require-encryption"},
                  "packets would leave this host unencrypted; give --curve-key and --server-key");
  checker.Count("zmq-buffer", config.zmq_buffer, 1, kMostFrames);
  checker.Size("zmq-buffer-bytes", config.zmq_buffer_bytes, kMiB, kLargestBuffer);
  checker.Duration("drain-timeout", config.drain_timeout, 0, kLongestDrain);
  if (config.resolve_interval != 0) {
    checker.Duration("resolve-interval", config.resolve_interval, 100 * kNanosPerMilli,
                     kLongestResolveInterval);
  }
  checker.Require(config.drain_timeout == 0 || config.nflog_flush < config.drain_timeout,
                  {"nflog-flush", "drain-timeout"},
                  "the kernel may hold packets for " + FormatDuration(config.nflog_flush) +
                      ", longer than the drain of " + FormatDuration(config.drain_timeout) +
                      " waits for them; lower --nflog-flush or raise --drain-timeout");
  checker.Require(IsSenderName(config.name), {"name"},
                  Quote(config.name) + " does not fit; use " + std::string(kSenderNameRule));
  checker.Metrics(config.metrics);
  return checker.Take();
}

std::optional<Violation> FindViolation(const ReceiverConfig& config) {
  Checker checker;
  checker.Require(CheckBindEndpoint(config.endpoint), "endpoint");
  checker.Require(!config.outputs.empty(), {"output"},
                  "says nowhere to write to; write the path of a FIFO, file:PATH or - for stdout");
  for (auto output = config.outputs.begin(); output != config.outputs.end(); ++output) {
    const bool fresh = std::none_of(config.outputs.begin(), output, [&](const OutputSpec& other) {
      return other.path == output->path;
    });
    checker.Require(fresh, {"output"}, Quote(output->label) + " is given twice");
  }
  checker.Require(config.link_type == LinkType::kRaw || config.link_type == LinkType::kEthernet,
                  {"link-type"}, "must be raw or ethernet");
  checker.Size("pipe-size", config.pipe_size, 4 * kKiB, kGiB);
  checker.Size("queue-bytes", config.queue_bytes, kMiB, kLargestBuffer);
  checker.Count("zmq-buffer", config.zmq_buffer, 1, kMostFrames);
  checker.Size("memory", config.memory, kLeastMemory, kLargestBuffer);
  if (config.max_message != 0) {
    // Below this a single large packet would not fit its frame.
    checker.Size("max-message", config.max_message, 512 * kKiB, kGiB);
  }
  checker.Count("max-senders", config.max_senders, 1, 65'536);
  checker.Count("max-connections", config.max_connections, 1, 65'536);
  if (config.max_clock_skew != 0) {
    checker.Duration("max-clock-skew", config.max_clock_skew, 10 * kNanosPerMilli,
                     kNanosPerSecond * 24 * 3600);
  }
  CheckKeys(config.curve_key, "authorized-keys", config.authorized_keys, &checker);
  checker.Require(
      !config.require_encryption || !config.curve_key.empty() || !LeavesTheHost(config.endpoint),
      {"require-encryption"},
      "other hosts could send here unencrypted and unasked; give --curve-key and "
      "--authorized-keys");
  checker.Duration("drain-timeout", config.drain_timeout, 0, kLongestDrain);
  checker.Metrics(config.metrics);
  return checker.Take();
}

uint64_t LowWatermark(const SenderConfig& config) {
  constexpr uint64_t kWorthCompressing = 16 * kMiB;
  const uint64_t half = config.hwm == 0 ? kWorthCompressing : config.hwm / 2;
  return config.lwm.value_or(std::min(half, kWorthCompressing));
}

uint64_t LargestMessage(const ReceiverConfig& config) {
  if (config.max_message != 0) {
    return config.max_message;
  }
  return config.legacy ? 16 * kMiB : kFrameHeaderBytes + kMaxFrameRawBytes;
}

Status Validate(const SenderConfig& config) {
  return ToStatus(FindViolation(config));
}

Status Validate(const ReceiverConfig& config) {
  return ToStatus(FindViolation(config));
}

}  // namespace pcap_zmq
