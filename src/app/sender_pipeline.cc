// SPDX-License-Identifier: MIT
#include "app/sender_pipeline.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <limits>
#include <utility>

#include "app/config_loader.h"
#include "app/endpoint.h"
#include "app/ledger.h"
#include "app/program_support.h"
#include "app/status.h"
#include "app/version.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "metrics/collector.h"
#include "source/file_source.h"
#include "source/live_source.h"
#include "source/nflog_source.h"

namespace pcap_zmq {
namespace {

template <typename Source>
Result<std::unique_ptr<PacketSource>> AsSource(Result<std::unique_ptr<Source>> source) {
  if (!source.ok()) {
    return source.error();
  }
  return std::unique_ptr<PacketSource>(source.Take());
}

int LevelOf(const SenderConfig& config) {
  if (config.codec_level != 0) {
    return config.codec_level;
  }
  return config.codec == CodecChoice::kZstd ? kZstdDefaultLevel : kZlibDefaultLevel;
}

std::string JoinNames(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) {
    joined += (joined.empty() ? "" : ", ") + name;
  }
  return joined;
}

// What strangers must not know, to decide which of their flows are shed.
Result<uint64_t> SecretSeed() {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
    return RuntimeError(std::string("cannot get random numbers from the kernel: ") +
                        std::strerror(errno));
  }
  return seed;
}

}  // namespace

SenderPipeline::SenderPipeline(SenderConfig config, const Clock* clock, const StopEvent* stop)
    : config_(std::move(config)),
      instance_(RandomInstance()),
      clock_(clock),
      stop_(stop),
      watch_(clock) {}

SenderPipeline::~SenderPipeline() = default;

Status SenderPipeline::ReadKeys() {
  if (config_.curve_key.empty()) {
    return {};
  }
  auto own = ReadSecretKey(config_.curve_key);
  if (!own.ok()) {
    return own.error();
  }
  auto server = ReadPublicKey(config_.server_key);
  if (!server.ok()) {
    return server.error();
  }
  LogEncryption("sender", own.value().public_key);
  keys_ = CurveClientKeys{own.Take(), server.Take()};
  return {};
}

Status SenderPipeline::Open() {
  std::vector<std::vector<uint16_t>> group_sets;
  if (config_.source.kind == SourceSpec::Kind::kNflog && config_.pump_per_group) {
    for (const uint16_t group : config_.source.groups) {
      group_sets.push_back({group});
    }
  } else {
    group_sets.push_back(config_.source.groups);
  }
  for (const auto& groups : group_sets) {
    Pump& pump = pumps_.emplace_back();
    auto source = OpenSource(groups, &pump.stats);
    if (!source.ok()) {
      return source.error();
    }
    pump.source = source.Take();
  }
  return {};
}

Result<std::unique_ptr<PacketSource>> SenderPipeline::OpenSource(
    const std::vector<uint16_t>& groups, PumpStats* stats) {
  switch (config_.source.kind) {
    case SourceSpec::Kind::kNflog: {
      NflogOptions options;
      options.groups = groups;
      options.snaplen = config_.snaplen;
      options.receive_buffer_bytes = config_.nflog_buffer;
      options.threshold = config_.nflog_threshold;
      options.batch_latency = config_.batch_latency;
      options.flush_interval = config_.nflog_flush;
      return AsSource(NflogSource::Open(options, stats, clock_, stop_));
    }
    case SourceSpec::Kind::kLive: {
      LiveOptions options;
      options.interface = config_.source.name;
      options.filter = config_.filter;
      options.snaplen = config_.snaplen;
      return AsSource(LiveSource::OpenLive(options, stats, clock_, stop_));
    }
    case SourceSpec::Kind::kFile:
      break;
  }
  CaptureFileOptions options;
  options.path = config_.source.name;
  options.filter = config_.filter;
  options.snaplen = config_.snaplen;
  options.replay_speed = config_.replay_speed;
  auto file = FileSource::OpenFile(options, stats, clock_, stop_);
  if (file.ok()) {
    file_source_ = file.value().get();
  }
  return AsSource(std::move(file));
}

Result<std::unique_ptr<PushSocket>> SenderPipeline::Connect(const std::string& endpoint) const {
  return PushSocket::Connect(*context_,
                             {endpoint, config_.zmq_buffer, config_.zmq_buffer_bytes, keys_,
                              /*may_be_unknown=*/endpoint_watch_ != nullptr});
}

Status SenderPipeline::ConnectPump(Pump* pump) {
  Result<uint64_t> seed = SecretSeed();
  if (!seed.ok()) {
    return seed.error();
  }
  std::vector<std::unique_ptr<PushSocket>> sockets;
  const std::shared_ptr<const EndpointWatch::Endpoints> found =
      endpoint_watch_ != nullptr ? endpoint_watch_->endpoints() : nullptr;
  for (const std::string& endpoint : found != nullptr ? *found : config_.endpoints) {
    auto socket = Connect(endpoint);
    if (!socket.ok()) {
      return socket.error();
    }
    sockets.push_back(socket.Take());
  }
  PumpOptions options;
  // Pumps share nothing, so each keeps to its part of the watermarks.
  options.watermarks.low = LowWatermark(config_) / pumps_.size();
  options.watermarks.high = config_.hwm / pumps_.size();
  pump->stats.low_watermark.Set(static_cast<int64_t>(options.watermarks.low));
  pump->stats.high_watermark.Set(static_cast<int64_t>(options.watermarks.high));
  options.watermarks.window = config_.rate_window;
  options.watermarks.seed = seed.value();
  options.squash_linger = config_.squash_linger;
  options.codec = config_.codec == CodecChoice::kZstd ? Codec::kZstd : Codec::kZlib;
  options.codec_level = LevelOf(config_);
  options.live = !replays_file();
  options.lanes.failover = config_.failover;
  options.lanes.spread_by = config_.spread_by;
  options.lanes.watch = endpoint_watch_.get();
  options.lanes.connect = [this](const std::string& endpoint) { return Connect(endpoint); };
  options.lanes.drain_timeout = config_.drain_timeout;
  auto control = [this] {
    return ControlPayload(config_.name, instance_, Ledger(), clock_->WallNow());
  };
  pump->pump = std::make_unique<SenderPump>(options, std::move(pump->source), std::move(sockets),
                                            std::move(control), &pump->stats, clock_, stop_);
  return {};
}

Status SenderPipeline::Start() {
  Result<UniqueFd> done = MakeEventFd();
  if (!done.ok()) {
    return done.error();
  }
  done_ = done.Take();
  context_ = std::make_unique<ZmqContext>(static_cast<int>(pumps_.size()));
  if (config_.resolve_interval > 0) {
    endpoint_watch_ = std::make_unique<EndpointWatch>(config_.endpoints, config_.resolve_interval);
    endpoint_watch_->Look();
  }
  for (Pump& pump : pumps_) {
    if (Status connected = ConnectPump(&pump); !connected.ok()) {
      return connected;
    }
  }
  WatchPumps();
  if (Status serving = StartMetrics(); !serving.ok()) {
    return serving;
  }
  if (endpoint_watch_ != nullptr) {
    if (Status following = endpoint_watch_->Start(); !following.ok()) {
      return following;
    }
  }
  if (Status pumping = StartPumps(); !pumping.ok()) {
    return pumping;
  }
  description_ =
      "reading " + FormatSource(config_.source) + ", sending to " + JoinNames(config_.endpoints);
  Log(LogLevel::kInfo, description_ + (http_ ? ", metrics on " + http_->bound_address() : ""));
  if (const auto exposed = std::find_if(config_.endpoints.begin(), config_.endpoints.end(),
                                        [](const auto& one) { return LeavesTheHost(one); });
      config_.curve_key.empty() && exposed != config_.endpoints.end()) {
    Log(LogLevel::kWarning,
        "packets go to " + *exposed + " unencrypted; use --curve-key and --server-key");
  }
  return {};
}

// No pump runs before each has its thread: one that ran could only be ended by the stop event.
Status SenderPipeline::StartPumps() {
  std::promise<bool> all_started;
  const std::shared_future<bool> may_run = all_started.get_future().share();
  running_ = pumps_.size();
  Status status;
  int number = 0;
  for (Pump& pump : pumps_) {
    Result<std::thread> thread =
        StartThread("pump " + std::to_string(++number), [this, &pump, may_run] {
          if (may_run.get()) {
            Run(&pump);
          }
        });
    if (!thread.ok()) {
      status = thread.error();
      break;
    }
    pump.thread = thread.Take();
  }
  all_started.set_value(status.ok());
  for (Pump& pump : pumps_) {
    if (!status.ok() && pump.thread.joinable()) {
      pump.thread.join();
    }
  }
  return status;
}

void SenderPipeline::Run(Pump* pump) {
  pump->pump->Run(config_.drain_timeout);
  if (--running_ == 0) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(done_.get(), &one, sizeof one);
  }
}

void SenderPipeline::WatchPumps() {
  const Nanoseconds now = clock_->MonotonicNow();
  int number = 0;
  for (Pump& pump : pumps_) {
    std::string sources;
    for (const SourceStats& source : pump.stats.sources) {
      sources += (sources.empty() ? "" : ", ") + source.label;
    }
    pump.stats.heartbeat.Beat(now);
    watch_.Add("pump " + std::to_string(++number) + " (" + sources + ")", {&pump.stats.heartbeat});
  }
}

Status SenderPipeline::StartMetrics() {
  if (config_.metrics.empty()) {
    return {};
  }
  HttpHandlers handlers;
  handlers.metrics = SenderMetrics(
      {std::string(kSenderProgram), std::string(kVersion), config_.name}, StatsOfPumps());
  handlers.health = [this] { return HealthOf(watch_); };
  handlers.ready = [this] { return Readiness(); };
  handlers.status = [this] { return SenderStatus(config_, StatsOfPumps()); };
  auto http = HttpEndpoint::Start(config_.metrics, std::move(handlers));
  if (!http.ok()) {
    return http.error();
  }
  http_ = http.Take();
  return {};
}

HealthReport SenderPipeline::Readiness() const {
  if (stop_->requested()) {
    return {false, "stopping"};
  }
  int64_t connected = 0;
  bool all_pumps = true;
  for (const Pump& pump : pumps_) {
    connected += pump.stats.connected_endpoints.Value();
    all_pumps = all_pumps && pump.stats.connected_endpoints.Value() > 0;
  }
  // Where others can take an endpoint's place, one is enough.
  if (config_.failover || config_.resolve_interval > 0) {
    return all_pumps ? HealthReport{true, "capturing"}
                     : HealthReport{false, "capturing, but no receiver is connected of " +
                                               JoinNames(config_.endpoints)};
  }
  const size_t wanted = pumps_.size() * config_.endpoints.size();
  if (connected < static_cast<int64_t>(wanted)) {
    return {false, "capturing, but " + std::to_string(connected) + " of " + std::to_string(wanted) +
                       " connections are up to " + JoinNames(config_.endpoints)};
  }
  return {true, "capturing"};
}

std::vector<const PumpStats*> SenderPipeline::StatsOfPumps() const {
  std::vector<const PumpStats*> all;
  for (const Pump& pump : pumps_) {
    all.push_back(&pump.stats);
  }
  return all;
}

double SenderPipeline::Progress() const {
  return file_source_ != nullptr ? file_source_->Progress()
                                 : std::numeric_limits<double>::quiet_NaN();
}

bool SenderPipeline::Join() {
  bool failed = false;
  for (Pump& pump : pumps_) {
    pump.thread.join();
    failed = failed || pump.pump->failed();
  }
  Log(LogLevel::kInfo, Summary(Ledger()));
  file_source_ = nullptr;
  for (Pump& pump : pumps_) {
    pump.pump.reset();
  }
  endpoint_watch_.reset();
  context_.reset();  // waits until what the sockets still had was sent
  http_.reset();
  return !failed;
}

}  // namespace pcap_zmq
