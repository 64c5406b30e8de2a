// SPDX-License-Identifier: MIT
//
// The options of both programs: the one place where a name, a unit and a help text are written.
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "app/option.h"
#include "app/option_kinds.h"

namespace pcap_zmq {
namespace {

using Kind = Option::Kind;

Option Threshold(Option option, uint32_t* field) {
  option.kind = Kind::kAmount;
  return Scalar(
      std::move(option), field,
      [](std::string_view text) -> Result<uint32_t> {
        if (text == "auto") {
          return uint32_t{0};
        }
        Result<uint32_t> number = ParseInteger<uint32_t>(text);
        if (!number.ok() || number.value() == 0) {
          return ConfigError(Quote(text) + " is not a threshold; write 1 to 65535 packets or auto");
        }
        return number;
      },
      [](uint32_t packets) { return packets == 0 ? "auto" : std::to_string(packets); });
}

Option RateOrAuto(Option option, std::optional<uint64_t>* field) {
  option.kind = Kind::kAmount;
  return Scalar(
      std::move(option), field,
      [](std::string_view text) -> Result<std::optional<uint64_t>> {
        if (text == "auto") {
          return std::optional<uint64_t>();
        }
        Result<uint64_t> rate = ParseRate(text);
        return rate.ok() ? Result<std::optional<uint64_t>>(rate.value()) : rate.error();
      },
      [](std::optional<uint64_t> rate) { return rate ? FormatRate(*rate) : "auto"; });
}

Option SizeOrAuto(Option option, uint64_t* field) {
  option.kind = Kind::kAmount;
  return Scalar(
      std::move(option), field,
      [](std::string_view text) {
        return text == "auto" ? Result<uint64_t>(uint64_t{0}) : ParseSize(text);
      },
      [](uint64_t bytes) { return bytes == 0 ? "auto" : FormatSize(bytes); });
}

Option Speed(Option option, double* field) {
  option.kind = Kind::kAmount;
  return Scalar(
      std::move(option), field,
      [](std::string_view text) -> Result<double> {
        if (text == "max") {
          return 0.0;
        }
        double speed = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
        if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(speed) ||
            speed <= 0) {
          return ConfigError(Quote(text) +
                             " is not a speed; write a multiple of the recorded speed, such as "
                             "2.5, or max");
        }
        return speed;
      },
      [](double speed) {
        std::array<char, 32> text{};
        const auto end = std::to_chars(text.data(), text.data() + text.size(), speed).ptr;
        return speed == 0 ? std::string("max") : std::string(text.data(), end);
      });
}

Option Metrics(std::string* field) {
  return Scalar(
      Option{"metrics", "Process", "ADDRESS",
             "serve /metrics, /healthz, /readyz and /status over HTTP at HOST:PORT, or off"},
      field,
      [](std::string_view text) -> Result<std::string> {
        if (text.empty()) {
          return ConfigError("'' is not an address to listen on; write 127.0.0.1:9477 or off");
        }
        return text == "off" ? std::string() : std::string(text);
      },
      [](const std::string& address) { return address.empty() ? "off" : address; });
}

Option Source(SourceSpec* field) {
  Option option{"source",
                "Arguments",
                "SOURCE",
                "what to capture: NFLOG groups (0,1 or nflog:0,1), a live interface (pcap:eth0), a "
                "capture file (file:trace.pcap) or - for a capture on stdin",
                Kind::kAmount,
                true};
  return Scalar(std::move(option), field, ParseSource, FormatSource);
}

Option UserOption(std::string* field, std::string help, std::string default_note) {
  return Text({"user", "Process", "NAME", std::move(help), Kind::kText, false, false, true,
               std::move(default_note)},
              field);
}

Option SandboxOption(bool* no_sandbox) {
  return Flag({"no-sandbox", "Process", "",
               "allow all system calls, for strace and debuggers, in place of those in use"},
              no_sandbox);
}

Option LogFormatOption(LogFormat* field) {
  return Choice<LogFormat>(
      {"log-format", "Process", "FORMAT", "of the lines on stderr: text, json"}, field,
      {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
}

Option KeyFile(Option option, std::string* field) {
  option.names_file = true;
  return Text(std::move(option), field);
}

Option RequireEncryption(bool* field) {
  return Flag({"require-encryption", "Encryption", "",
               "do not start where packets would pass a network without keys"},
              field);
}

void AddActions(Actions* actions, std::vector<Option>* options) {
  const size_t first = options->size();
  options->push_back(
      Text({"config", "Process", "FILE", "read a JSON file of options"}, &actions->config_file));
  options->push_back(Flag(
      {"print-config", "Process", "", "print the configuration in effect as such a file, and exit"},
      &actions->print_config));
  options->push_back(Flag({"healthcheck", "Process", "",
                           "ask the running program's /healthz, and exit with 0 if it is well"},
                          &actions->healthcheck));
  options->push_back(
      Flag({"version", "Process", "", "print the version and exit"}, &actions->version));
  options->push_back(
      Flag({"help", "Process", "", "print this text and exit (also -h)"}, &actions->help));
  for (size_t i = first; i < options->size(); ++i) {
    (*options)[i].in_file = false;
  }
}

void AddRateControl(SenderConfig* config, std::vector<Option>* options) {
  const std::string group = "Rate control";
  options->insert(
      options->end(),
      {RateOrAuto({"lwm", group, "RATE",
                   "low watermark: above this capture rate packets are merged and compressed; 0: "
                   "never; auto: half of --hwm, at most 16MiB/s"},
                  &config->lwm),
       Rate({"hwm", group, "RATE",
             "high watermark: what would exceed it on the wire is dropped and counted; 0: never"},
            &config->hwm),
       Duration({"rate-window", group, "DURATION", "time over which rates are measured"},
                &config->rate_window),
       Duration({"squash-linger", group, "DURATION",
                 "longest that a packet waits for others to be merged with"},
                &config->squash_linger),
       Choice<CodecChoice>(
           {"codec", group, "CODEC", "compression of merged packets: zlib, or the faster zstd"},
           &config->codec, {{"zlib", CodecChoice::kZlib}, {"zstd", CodecChoice::kZstd}}),
       Integer(
           {"codec-level", group, "LEVEL", "zlib 1 to 9, zstd -7 to 19; 0: the codec's default"},
           &config->codec_level)});
}

void AddNflog(SenderConfig* config, std::vector<Option>* options) {
  const std::string group = "NFLOG";
  options->insert(options->end(),
                  {Size({"nflog-buffer", group, "SIZE", "kernel buffer of each netlink socket"},
                        &config->nflog_buffer),
                   Threshold({"nflog-threshold", group, "PACKETS",
                              "packets that the kernel hands over at once; auto follows the rate"},
                             &config->nflog_threshold),
                   Duration({"batch-latency", group, "DURATION",
                             "traffic that the kernel gathers before it hands it over, where the "
                             "threshold follows the rate"},
                            &config->batch_latency),
                   Duration({"nflog-flush", group, "DURATION",
                             "longest that the kernel holds packets back; a multiple of 10ms"},
                            &config->nflog_flush),
                   Flag({"pump-per-group", group, "",
                         "give each NFLOG group its own thread, netlink socket and connections"},
                        &config->pump_per_group)});
}

Option SpreadByOption(const char* group, const std::string& what, SpreadBy* value) {
  return Choice<SpreadBy>(
      {"spread-by", group, "WHAT",
       what + ": flow keeps each flow together, but for its fragments; addresses all that two "
              "hosts say to one another, fragments too"},
      value, {{"flow", SpreadBy::kFlow}, {"addresses", SpreadBy::kAddresses}});
}

}  // namespace

std::vector<Option> DescribeOptions(SenderConfig* config, Actions* actions) {
  std::vector<Option> options;
  options.push_back(Source(&config->source));
  options.push_back(List<std::string>(
      {"endpoint", "Arguments", "ENDPOINT",
       "ZeroMQ endpoints of receivers (tcp://HOST:PORT, ipc://PATH); with several, each flow goes "
       "to one of them"},
      &config->endpoints,
      [](std::string_view text) -> Result<std::string> { return std::string(text); },
      [](const std::string& text) { return text; }));
  AddRateControl(config, &options);
  options.insert(
      options.end(),
      {Integer({"zmq-buffer", "ZeroMQ", "FRAMES",
                "frames that wait for each endpoint before more are dropped and counted"},
               &config->zmq_buffer),
       Size({"zmq-buffer-bytes", "ZeroMQ", "SIZE", "the same limit in bytes"},
            &config->zmq_buffer_bytes),
       Duration({"drain-timeout", "ZeroMQ", "DURATION",
                 "longest to wait until what was captured is sent: on SIGTERM, and for an endpoint "
                 "that has left its name's addresses"},
                &config->drain_timeout),
       Duration({"resolve-interval", "ZeroMQ", "DURATION",
                 "look names in endpoints up again this often: tcp://NAME:PORT then stands for all "
                 "addresses of NAME, which share the flows; 0: each name is one endpoint"},
                &config->resolve_interval),
       Flag({"failover", "ZeroMQ", "",
             "while an endpoint is not connected, give its flows to the others; without this they "
             "wait for it"},
            &config->failover),
       SpreadByOption("ZeroMQ", "what goes to one endpoint where several share the packets",
                      &config->spread_by)});
  options.insert(options.end(),
                 {KeyFile({"curve-key", "Encryption", "FILE",
                           "secret key of this sender, as pcap-zmq-keygen makes it"},
                          &config->curve_key),
                  KeyFile({"server-key", "Encryption", "FILE", "public key of the receivers"},
                          &config->server_key),
                  RequireEncryption(&config->require_encryption)});
  AddNflog(config, &options);
  options.insert(
      options.end(),
      {Integer({"snaplen", "Capture", "BYTES", "bytes kept of each packet"}, &config->snaplen),
       Text({"filter", "Capture", "BPF", "keep what matches only (pcap: and file: sources)"},
            &config->filter),
       Speed({"replay-speed", "Capture", "FACTOR",
              "of a file: source, a multiple of the recorded speed, or max"},
             &config->replay_speed),
       UserOption(&config->user,
                  "once the source is open, run as this user, without root's rights but "
                  "CAP_NET_ADMIN, and without that one too where --nflog-threshold is a number",
                  "nobody for root, where it can be"),
       SandboxOption(&config->no_sandbox),
       Text({"name", "Process", "NAME", "what the receiver calls this sender", Kind::kText, false,
             false, true, "the host's name"},
            &config->name),
       Metrics(&config->metrics), LogFormatOption(&config->log_format)});
  AddActions(actions, &options);
  return options;
}

std::vector<Option> DescribeOptions(ReceiverConfig* config, Actions* actions) {
  std::vector<Option> options;
  Option endpoint{"endpoint", "Arguments", "ENDPOINT",
                  "ZeroMQ endpoint to listen on (tcp://0.0.0.0:PORT, ipc://PATH)"};
  endpoint.positional = true;
  options.push_back(Text(std::move(endpoint), &config->endpoint));
  options.push_back(List<OutputSpec>(
      {"output", "Arguments", "OUTPUT",
       "where the capture goes: a path is a FIFO, made if it is missing; file:PATH is a regular "
       "file; - is stdout"},
      &config->outputs, ParseOutput, [](const OutputSpec& output) { return output.label; }));
  options.insert(
      options.end(),
      {Choice<OutputMode>(
           {"output-mode", "Output", "MODE",
            "what several outputs get: copy gives each of them everything, spread gives each flow, "
            "both directions of it, to one of them"},
           &config->output_mode, {{"copy", OutputMode::kCopy}, {"spread", OutputMode::kSpread}}),
       SpreadByOption("Output", "what goes to one output where several share the packets",
                      &config->spread_by),
       Choice<LinkType>({"link-type", "Output", "TYPE",
                         "of the capture: raw (IP packets), or ethernet with made-up headers"},
                        &config->link_type,
                        {{"raw", LinkType::kRaw}, {"ethernet", LinkType::kEthernet}}),
       Size({"pipe-size", "Output", "SIZE", "kernel buffer of each FIFO, as far as allowed"},
            &config->pipe_size),
       Size({"queue-bytes", "Output", "SIZE", "queue of each output when there are several"},
            &config->queue_bytes),
       Choice<OverflowChoice>(
           {"overflow", "Output", "POLICY",
            "what a FIFO does when there are several outputs and its reader is too slow: block "
            "holds everything up to the senders, drop counts the loss; other outputs always drop"},
           &config->overflow, {{"block", OverflowChoice::kBlock}, {"drop", OverflowChoice::kDrop}}),
       Duration({"drain-timeout", "Output", "DURATION",
                 "on SIGTERM, longest to wait until readers have taken what arrived"},
                &config->drain_timeout),
       Size(
           {"memory", "Output", "SIZE",
            "bound of all that was received and waits to be delivered; beyond it the senders wait"},
           &config->memory),
       Integer(
           {"zmq-buffer", "ZeroMQ", "FRAMES",
            "frames of each sender that ZeroMQ itself holds, at least 256 with ipc:; they count in "
            "--memory"},
           &config->zmq_buffer),
       SizeOrAuto({"max-message", "ZeroMQ", "SIZE",
                   "senders of larger messages are disconnected; auto: what a sender of this "
                   "project can send (1 MiB and 48 bytes), 16MiB with --legacy"},
                  &config->max_message),
       Flag({"legacy", "ZeroMQ", "", "expect senders of 2012, whose messages may be large"},
            &config->legacy),
       Integer({"max-senders", "ZeroMQ", "COUNT", "senders that are told apart"},
               &config->max_senders),
       Duration(
           {"max-clock-skew", "Output", "DURATION",
            "packets of a sender whose clock is off by more get the times of ours; 0: none do"},
           &config->max_clock_skew),
       Integer({"max-connections", "ZeroMQ", "COUNT",
                "connections at one time; beyond it newcomers are turned away"},
               &config->max_connections),
       KeyFile({"curve-key", "Encryption", "FILE",
                "secret key of this receiver, as pcap-zmq-keygen makes it"},
               &config->curve_key),
       KeyFile(
           {"authorized-keys", "Encryption", "DIR",
            "public keys of the senders, NAME.pub; NAME is what the sender is called; NAME@.pub "
            "is of a group, told apart by what each calls itself; changes are followed"},
           &config->authorized_keys),
       RequireEncryption(&config->require_encryption),
       UserOption(&config->user,
                  "once the endpoint is bound, run as this user; root's rights end in any case",
                  "unchanged"),
       SandboxOption(&config->no_sandbox),
       Metrics(&config->metrics),
       LogFormatOption(&config->log_format)});
  AddActions(actions, &options);
  return options;
}

}  // namespace pcap_zmq
