// SPDX-License-Identifier: MIT
#include "app/receiver_pipeline.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>

#include "app/config_loader.h"
#include "app/endpoint.h"
#include "app/ledger.h"
#include "app/program_support.h"
#include "app/status.h"
#include "app/version.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "metrics/collector.h"
#include "sink/fifo_sink.h"
#include "sink/file_sink.h"
#include "sink/queued_sink.h"
#include "sink/stream_sink.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kTickInterval = 100 * kNanosPerMilli;
constexpr Nanoseconds kSettleInterval = kNanosPerSecond;
// Without a frame for so long after the stop was asked for, nothing is on its way any more.
constexpr Nanoseconds kQuiet = 50 * kNanosPerMilli;
// Frames between two looks at the clock and the sinks.
constexpr int kFramesPerTurn = 64;

template <typename Sink>
Result<std::unique_ptr<PacketSink>> AsSink(Result<std::unique_ptr<Sink>> sink) {
  if (!sink.ok()) {
    return sink.error();
  }
  return std::unique_ptr<PacketSink>(sink.Take());
}

}  // namespace

ReceiverPipeline::ReceiverPipeline(ReceiverConfig config, const Clock* clock, const StopEvent* stop)
    : config_(std::move(config)),
      clock_(clock),
      stop_(stop),
      done_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      watch_(clock),
      senders_(config_.max_senders, clock),
      decoder_(&senders_, &stats_) {}

ReceiverPipeline::~ReceiverPipeline() = default;

Status ReceiverPipeline::StartTransport() {
  context_ = std::make_unique<ZmqContext>(1);
  context_->StartThreads();
  return {};
}

Status ReceiverPipeline::Bind() {
  PullOptions options;
  options.endpoint = config_.endpoint;
  options.buffer_frames = config_.zmq_buffer;
  options.max_message = config_.max_message;
  if (Status keys = ReadKeys(&options); !keys.ok()) {
    return keys;
  }
  const size_t connections = ConnectionsWithinLimit(config_.max_connections);
  if (connections < config_.max_connections) {
    Log(LogLevel::kWarning, "the limit of open files allows for " + std::to_string(connections) +
                                " connections, not the " + std::to_string(config_.max_connections) +
                                " of --max-connections");
  }
  options.max_connections = connections;
  auto socket = PullSocket::Bind(*context_, options, &stats_);
  if (!socket.ok()) {
    return socket.error();
  }
  socket_ = socket.Take();
  return {};
}

Status ReceiverPipeline::ReadKeys(PullOptions* options) {
  if (config_.curve_key.empty()) {
    return {};
  }
  auto keys = ReadSecretKey(config_.curve_key);
  if (!keys.ok()) {
    return keys.error();
  }
  authorized_ = std::make_unique<AuthorizedKeys>(config_.authorized_keys);
  public_key_ = keys.value().public_key;
  options->keys = keys.Take();
  options->authorized = authorized_.get();
  return {};
}

Status ReceiverPipeline::Start() {
  // With the rights that it is going to be read with again and again.
  if (authorized_ != nullptr) {
    if (Status read = authorized_->Refresh(); !read.ok()) {
      return read;
    }
    LogEncryption("receiver", public_key_);
  }
  for (const OutputSpec& output : config_.outputs) {
    SinkStats& stats = sink_stats_.emplace_back(output.label);
    auto sink = OpenSink(output, &stats);
    if (!sink.ok()) {
      return sink.error();
    }
    sinks_.push_back(sink.Take());
  }
  stats_.output_mode.Set(static_cast<int64_t>(config_.output_mode));
  std::string outputs;
  std::vector<std::string> labels;
  for (const OutputSpec& output : config_.outputs) {
    labels.push_back(output.label);
    outputs += (outputs.empty() ? "" : ", ") + output.label;
  }
  const bool spread = config_.output_mode == OutputMode::kSpread && labels.size() > 1;
  if (spread) {
    spreader_.emplace(labels);
  }
  WatchThreads();
  if (Status serving = StartMetrics(); !serving.ok()) {
    return serving;
  }
  description_ = "listening on " + socket_->bound_endpoint() +
                 (spread ? ", spreading flows over " : ", writing to ") + outputs;
  Log(LogLevel::kInfo, description_ + (http_ ? ", metrics on " + http_->bound_address() : ""));
  if (config_.curve_key.empty() && LeavesTheHost(config_.endpoint)) {
    Log(LogLevel::kWarning, "anybody who reaches " + config_.endpoint +
                                " can send here, and nothing is encrypted; use --curve-key and "
                                "--authorized-keys");
  }
  socket_->StartGuard();
  thread_ = std::thread([this] {
    NameThisThread("receiver");
    Receive();
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(done_.get(), &one, sizeof one);
  });
  return {};
}

Result<std::unique_ptr<PacketSink>> ReceiverPipeline::OpenSink(const OutputSpec& output,
                                                               SinkStats* stats) {
  Result<std::unique_ptr<PacketSink>> sink = RuntimeError("");
  switch (output.kind) {
    case OutputSpec::Kind::kFifo: {
      FifoOptions options;
      options.path = output.path;
      options.link_type = config_.link_type;
      options.pipe_bytes = static_cast<int>(config_.pipe_size);
      sink = AsSink(FifoSink::Open(options, stats, clock_, stop_));
      break;
    }
    case OutputSpec::Kind::kFile: {
      FileSinkOptions options;
      options.path = output.path;
      options.link_type = config_.link_type;
      sink = AsSink(FileSink::Open(options, stats, clock_));
      break;
    }
    case OutputSpec::Kind::kStdout: {
      StreamOptions options;
      options.link_type = config_.link_type;
      sink = AsSink(StreamSink::Open(options, stats, clock_, stop_));
      break;
    }
  }
  if (!sink.ok() || config_.outputs.size() == 1) {
    return sink;
  }
  return Queue(sink.Take(), output, stats);
}

Result<std::unique_ptr<PacketSink>> ReceiverPipeline::Queue(std::unique_ptr<PacketSink> sink,
                                                            const OutputSpec& output,
                                                            SinkStats* stats) {
  QueueOptions options;
  options.max_bytes = config_.queue_bytes;
  options.waiter = &stats_.heartbeat;
  options.policy =
      output.kind == OutputSpec::Kind::kFifo && config_.overflow == OverflowChoice::kBlock
          ? OverflowPolicy::kBlock
          : OverflowPolicy::kDrop;
  return AsSink(QueuedSink::Start(std::move(sink), options, stats, clock_, stop_));
}

void ReceiverPipeline::WatchThreads() {
  const Nanoseconds now = clock_->MonotonicNow();
  stats_.heartbeat.Beat(now);
  if (sink_stats_.size() == 1) {
    sink_stats_[0].heartbeat.Beat(now);
    watch_.Add("the receiver, writing to " + sink_stats_[0].label,
               {&stats_.heartbeat, &sink_stats_[0].heartbeat});
    return;
  }
  watch_.Add("the receiver", {&stats_.heartbeat});
  for (const SinkStats& sink : sink_stats_) {
    watch_.Add("output " + sink.label, {&sink.heartbeat});
  }
}

Status ReceiverPipeline::StartMetrics() {
  if (config_.metrics.empty()) {
    return {};
  }
  HttpHandlers handlers;
  handlers.metrics =
      ReceiverMetrics({std::string(kReceiverProgram), std::string(kVersion)}, &stats_,
                      StatsOfSinks(), [this] { return senders_.Snapshot(); });
  handlers.health = [this] { return HealthOf(watch_); };
  handlers.ready = [this] { return Readiness(); };
  handlers.status = [this] {
    return ReceiverStatus(config_, socket_->bound_endpoint(), stats_, StatsOfSinks(),
                          senders_.Snapshot());
  };
  auto http = HttpEndpoint::Start(config_.metrics, std::move(handlers));
  if (!http.ok()) {
    return http.error();
  }
  http_ = http.Take();
  return {};
}

HealthReport ReceiverPipeline::Readiness() const {
  if (stop_->requested()) {
    return {false, "stopping"};
  }
  for (size_t i = 0; i < sinks_.size(); ++i) {
    if (!sinks_[i]->usable()) {
      return {false, "nobody takes packets from output " + config_.outputs[i].label};
    }
  }
  return {true, "receiving"};
}

std::vector<const SinkStats*> ReceiverPipeline::StatsOfSinks() const {
  std::vector<const SinkStats*> all;
  for (const SinkStats& stats : sink_stats_) {
    all.push_back(&stats);
  }
  return all;
}

void ReceiverPipeline::Receive() {
  while (!stop_->requested() && !AllSinksEnded()) {
    const bool drained = ReceiveSome() < kFramesPerTurn;
    const Nanoseconds now = clock_->MonotonicNow();
    stats_.heartbeat.Beat(now);
    if (now >= next_service_) {
      next_service_ = now + ServiceSinks();
    }
    if (now >= next_tick_) {
      Tick();
      next_tick_ = now + kTickInterval;
    }
    if (drained) {
      watched_.clear();
      watched_.push_back(stop_->fd());
      for (const auto& sink : sinks_) {
        watched_.push_back(sink->watch_fd());
      }
      if (socket_->Wait(watched_, std::min(next_service_, next_tick_) - now)) {
        next_service_ = 0;
      }
    }
  }
  sinks_ended_ = AllSinksEnded();
  Drain();
  // From here on it waits for the sinks, which look after themselves.
  stats_.heartbeat.Rest();
  for (const auto& sink : sinks_) {
    sink->Finish();
  }
}

// Returns how many frames came; less than kFramesPerTurn means that no more are there.
int ReceiverPipeline::ReceiveSome() {
  Frame frame;
  int frames = 0;
  while (frames < kFramesPerTurn && socket_->Receive(&frame)) {
    ++frames;
    if (frame.data() == nullptr) {
      continue;
    }
    blocks_.clear();
    decoder_.Decode(std::move(frame), &blocks_, socket_->sender_key());
    for (RecordBlockPtr& block : blocks_) {
      Deliver(std::move(block));
    }
  }
  return frames;
}

void ReceiverPipeline::Deliver(RecordBlockPtr block) {
  if (spreader_) {
    const std::span<RecordBlockPtr> parts = spreader_->Spread(std::move(block));
    for (size_t sink = 0; sink < parts.size(); ++sink) {
      if (parts[sink] != nullptr) {
        sinks_[sink]->Deliver(std::move(parts[sink]));
      }
    }
    return;
  }
  for (size_t sink = 0; sink + 1 < sinks_.size(); ++sink) {
    sinks_[sink]->Deliver(block);
  }
  sinks_.back()->Deliver(std::move(block));
}

// Takes what the senders have on the way, for as long as it keeps coming and the deadline allows.
void ReceiverPipeline::Drain() {
  while (!sinks_ended_ && clock_->MonotonicNow() < stop_->deadline()) {
    stats_.heartbeat.Beat(clock_->MonotonicNow());
    if (ReceiveSome() < kFramesPerTurn) {
      socket_->Wait({}, std::min(kQuiet, stop_->deadline() - clock_->MonotonicNow()));
      if (ReceiveSome() == 0) {
        return;
      }
    }
  }
}

Nanoseconds ReceiverPipeline::ServiceSinks() {
  Nanoseconds soonest = kTickInterval;
  for (const auto& sink : sinks_) {
    soonest = std::min(soonest, sink->Service());
  }
  return soonest;
}

void ReceiverPipeline::Tick() {
  const Nanoseconds now = clock_->MonotonicNow();
  if (now >= next_settle_) {
    senders_.Settle();
    next_settle_ = now + kSettleInterval;
  }
}

bool ReceiverPipeline::AllSinksEnded() const {
  return std::all_of(sinks_.begin(), sinks_.end(), [](const auto& sink) { return sink->ended(); });
}

bool ReceiverPipeline::Join() {
  thread_.join();
  Log(LogLevel::kInfo,
      Summary(SumLedger(senders_.Snapshot()), StatsOfSinks(), config_.output_mode));
  http_.reset();
  sinks_.clear();
  blocks_.clear();
  socket_.reset();
  context_.reset();
  return !sinks_ended_;
}

}  // namespace pcap_zmq
