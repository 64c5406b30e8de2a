// SPDX-License-Identifier: MIT
//
// What the two programs are asked to do: plain values, parsed and with their defaults.  Where the
// values come from is config_loader.h's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_header.h"
#include "base/link_type.h"
#include "base/log.h"
#include "base/result.h"
#include "base/stats.h"

namespace pcap_zmq {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;

/// Where the sender's packets come from.
struct SourceSpec {
  enum class Kind {
    kNflog,  ///< netfilter log groups of this network namespace
    kLive,   ///< a network interface
    kFile,   ///< a capture file
  };
  Kind kind = Kind::kNflog;
  std::vector<uint16_t> groups;  ///< kNflog: at least one, each once, in the order given
  std::string name;              ///< kLive: the interface; kFile: the path, "-" for stdin

  bool operator==(const SourceSpec&) const = default;
};

/// Reads "0,1", "nflog:0,1", "pcap:eth0", "file:trace.pcap", "file:-" or "-".
/// Errors:  kConfig, with the forms that are known.
Result<SourceSpec> ParseSource(std::string_view text);

/// The spelling that ParseSource() reads back: "nflog:0,1", "pcap:eth0", "file:trace.pcap".
std::string FormatSource(const SourceSpec& source);

/// Where the receiver's packets go.
struct OutputSpec {
  enum class Kind {
    kFifo,    ///< a named pipe, made if it is missing
    kFile,    ///< a regular file
    kStdout,  ///< the program's standard output
  };
  Kind kind = Kind::kFifo;
  std::string path;   ///< empty for kStdout
  std::string label;  ///< as the user wrote it: metrics and messages name the output so

  bool operator==(const OutputSpec&) const = default;
};

/// Reads "PATH" (a FIFO), "file:PATH" or "-" (stdout).
/// Errors:  kConfig for an empty path, and for an endpoint given in an output's place.
Result<OutputSpec> ParseOutput(std::string_view text);

/// How the sender compresses while it squashes.
enum class CodecChoice { kZlib, kZstd };

/// What a FIFO does when its reader is slower than the traffic and other outputs exist.
enum class OverflowChoice {
  kBlock,  ///< wait: the pressure reaches the senders, and the other outputs wait as well
  kDrop,   ///< drop and count, so that the other outputs go on
};

/// The host's name as far as a sender's name may look like it, else "sender".
std::string DefaultSenderName();

/// What pcap-zmq-send is asked to do.
/// Units:   rates bytes a second, sizes bytes, durations nanoseconds.
struct SenderConfig {
  SourceSpec source;
  std::vector<std::string> endpoints;  ///< ZeroMQ endpoints to connect to

  std::optional<uint64_t> lwm{};  ///< squash above this; 0: never; unset: see LowWatermark()
  uint64_t hwm = 100 * kMiB;      ///< shed above this; 0: never
  Nanoseconds rate_window = kNanosPerSecond;
  Nanoseconds squash_linger = 50 * kNanosPerMilli;
  CodecChoice codec = CodecChoice::kZlib;
  int codec_level = 0;  ///< 0: the codec's own default

  int zmq_buffer = 1000;  ///< frames, for each endpoint
  uint64_t zmq_buffer_bytes = 64 * kMiB;
  Nanoseconds drain_timeout = 5 * kNanosPerSecond;

  Nanoseconds resolve_interval = 0;  ///< to look names up again; 0: each is one endpoint for good
  bool failover = false;             ///< flows of an endpoint that is away go to the others
  SpreadBy spread_by = SpreadBy::kFlow;  ///< what stays together where endpoints share the packets

  uint64_t nflog_buffer = 64 * kMiB;
  uint32_t nflog_threshold = 0;                ///< packets a kernel batch; 0: follows the rate
  Nanoseconds batch_latency = kNanosPerMilli;  ///< of traffic in a batch that follows the rate
  Nanoseconds nflog_flush = 10 * kNanosPerMilli;
  bool pump_per_group = false;

  std::string curve_key;   ///< file of this sender's secret key; empty: nothing is encrypted
  std::string server_key;  ///< file of the receiver's public key
  bool require_encryption = false;

  uint32_t snaplen = 65'535;
  std::string filter;       ///< BPF, for packets from libpcap; empty: everything
  double replay_speed = 1;  ///< multiple of the recorded speed; 0: as fast as possible

  std::string user;         ///< to run as after start-up; empty: see app/privileges.h
  bool no_sandbox = false;  ///< leave all system calls allowed
  std::string name = DefaultSenderName();  ///< reported to the receiver
  std::string metrics = "127.0.0.1:9477";  ///< empty: no HTTP server
  LogFormat log_format = LogFormat::kText;

  bool operator==(const SenderConfig&) const = default;
};

/// What pcap-zmq-recv is asked to do.
/// Units:   sizes bytes, durations nanoseconds.
struct ReceiverConfig {
  std::string endpoint;  ///< ZeroMQ endpoint to bind
  std::vector<OutputSpec> outputs;

  OutputMode output_mode = OutputMode::kCopy;  ///< of several outputs
  SpreadBy spread_by = SpreadBy::kFlow;        ///< what stays together where they share packets
  LinkType link_type = LinkType::kRaw;
  uint64_t pipe_size = kMiB;         ///< F_SETPIPE_SZ
  uint64_t queue_bytes = 64 * kMiB;  ///< for each output, when there are several
  OverflowChoice overflow = OverflowChoice::kBlock;

  uint64_t memory = 256 * kMiB;  ///< for all that was received and waits to be delivered
  int zmq_buffer = 2;            ///< messages of each sender in ZeroMQ's own buffer
  uint64_t max_message = 0;      ///< 0: LargestMessage() knows
  bool legacy = false;           ///< senders of 2012 send large messages
  uint32_t max_senders = 1024;
  Nanoseconds max_clock_skew = 0;   ///< of senders, before their packets' times are moved; 0: any
  uint32_t max_connections = 1024;  ///< of TCP, at one time
  Nanoseconds drain_timeout = 2 * kNanosPerSecond;

  std::string curve_key;        ///< file of the receiver's secret key; empty: nothing is encrypted
  std::string authorized_keys;  ///< directory of the senders' public keys
  bool require_encryption = false;

  std::string user;                        ///< to run as after start-up; empty: unchanged
  bool no_sandbox = false;                 ///< leave all system calls allowed
  std::string metrics = "127.0.0.1:9478";  ///< empty: no HTTP server
  LogFormat log_format = LogFormat::kText;

  bool operator==(const ReceiverConfig&) const = default;
};

/// The rate above which packets are squashed: --lwm, or half of --hwm, of which the rest is for
/// what compression does not save, but never more than 16 MiB a second.
uint64_t LowWatermark(const SenderConfig& config);

/// What a message may have at most: --max-message, or the largest frame of our own format, or what
/// senders of 2012 send.
uint64_t LargestMessage(const ReceiverConfig& config);

/// A value out of its range, or values that contradict one another.
struct Violation {
  std::vector<std::string> options;  ///< long names without dashes; "source", "endpoint", "output"
  std::string message;
};

/// The first thing in `config` that the program could not run with.
std::optional<Violation> FindViolation(const SenderConfig& config);
std::optional<Violation> FindViolation(const ReceiverConfig& config);

/// FindViolation() as a kConfig error that names the options.
Status Validate(const SenderConfig& config);
Status Validate(const ReceiverConfig& config);

}  // namespace pcap_zmq
