// SPDX-License-Identifier: MIT
#include "app/receiver_pipeline.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <thread>
#include <utility>

#include "app/config_loader.h"
#include "app/endpoint.h"
#include "app/ledger.h"
#include "app/program_support.h"
#include "app/receiver_output.h"
#include "app/status.h"
#include "app/version.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "metrics/collector.h"

namespace pcap_zmq {
namespace {

// Waits end with the next tick, so that a turn takes longer only where an output is waited for.
constexpr Nanoseconds kTickInterval = SenderTable::kLongestTurn;
constexpr Nanoseconds kSettleInterval = kNanosPerSecond;
// How late the end of a drain may be noticed.
constexpr Nanoseconds kStopCheck = 20 * kNanosPerMilli;
// How often to look whether outputs have let go of memory.
constexpr Nanoseconds kRoomCheck = 5 * kNanosPerMilli;
// What nobody has taken by the end of the drain is received all the same, to be counted: until all
// senders have left, or nothing has come for the first time, and for the second at most.
constexpr Nanoseconds kCountingTime = kNanosPerSecond;
constexpr Nanoseconds kLongestCounting = 2 * kNanosPerSecond;
// Frames between two looks at the clock and the sinks.
constexpr int kFramesPerTurn = 64;

}  // namespace

ReceiverPipeline::ReceiverPipeline(ReceiverConfig config, const Clock* clock, const StopEvent* stop)
    : config_(std::move(config)),
      clock_(clock),
      stop_(stop),
      watch_(clock),
      senders_(config_.max_senders, clock, config_.max_clock_skew),
      decoder_(&senders_, &stats_),
      keeper_(&stats_.memory) {
  stats_.memory.SetLimit(config_.memory);
}

ReceiverPipeline::~ReceiverPipeline() = default;

Status ReceiverPipeline::StartTransport() {
  Result<UniqueFd> done = MakeEventFd();
  if (!done.ok()) {
    return done.error();
  }
  done_ = done.Take();
  context_ = std::make_unique<ZmqContext>(1);
  context_->StartThreads();
  return {};
}

Status ReceiverPipeline::Bind() {
  PullOptions options;
  options.endpoint = config_.endpoint;
  options.buffer_frames = config_.zmq_buffer;
  options.max_message = LargestMessage(config_);
  options.make_room = [this] { return MakeRoom(MemoryBudget::Holder::kInbox); };
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
    auto sink = OpenOutput(config_, output, {&stats, &stats_.heartbeat, this, clock_, stop_});
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
    spreader_.emplace(labels, config_.spread_by);
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
  if (Status guarded = socket_->StartGuard(); !guarded.ok()) {
    return guarded;
  }
  Result<std::thread> thread = StartThread("receiver", [this] {
    Receive();
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(done_.get(), &one, sizeof one);
  });
  if (!thread.ok()) {
    return thread.error();
  }
  thread_ = thread.Take();
  return {};
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
    senders_.Age();
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
    decoder_.Decode(std::move(frame), deliver_, socket_->sender_key());
  }
  return frames;
}

int ReceiverPipeline::Work() {
  if (stop_->requested()) {
    socket_->AskSendersToLeave();
  }
  return socket_->TakeIn();
}

void ReceiverPipeline::Deliver(RecordBlockPtr block) {
  if (sinks_.size() == 1) {
    sinks_.front()->Deliver(std::move(block));
    return;
  }
  WaitForRoom();
  if (spreader_) {
    const std::span<RecordBlockPtr> parts = spreader_->Spread(std::move(block));
    for (size_t sink = 0; sink < parts.size(); ++sink) {
      if (parts[sink] != nullptr) {
        sinks_[sink]->Deliver(keeper_.Keep(std::move(parts[sink])));
      }
    }
    return;
  }
  block = keeper_.Keep(std::move(block));
  for (size_t sink = 0; sink + 1 < sinks_.size(); ++sink) {
    sinks_[sink]->Deliver(block);
  }
  sinks_.back()->Deliver(std::move(block));
}

void ReceiverPipeline::WaitForRoom() {
  while (!MakeRoom(MemoryBudget::Holder::kQueues)) {
    const Nanoseconds now = clock_->MonotonicNow();
    if (stop_->requested() && now >= stop_->deadline()) {
      return;  // the outputs drop it
    }
    stats_.heartbeat.Beat(now);
    // Whoever gives memory back does not say so.
    const Nanoseconds wait = Work() >= 0 ? kWorkInterval : kRoomCheck;
    std::this_thread::sleep_for(std::chrono::nanoseconds(wait));
  }
}

bool ReceiverPipeline::MakeRoom(MemoryBudget::Holder holder) {
  bool found = true;
  while (found && !stats_.memory.HasRoom(holder)) {
    found = GiveUpSomething();
  }
  return found;
}

// The output with the longest queue is the one that is too slow.  What several such hold is free
// once all of them, the longest of the moment in turn, have given it up.  An output that blocks
// keeps what it has; then others give up only what it does not hold as well.
bool ReceiverPipeline::GiveUpSomething() {
  const auto longest =
      std::max_element(sinks_.begin(), sinks_.end(), [](const auto& one, const auto& other) {
        return one->waiting_bytes() < other->waiting_bytes();
      });
  return (*longest)->GiveUpOldest(PacketSink::Shared::kGiveUp) ||
         std::any_of(sinks_.begin(), sinks_.end(), [](const auto& sink) {
           return sink->GiveUpOldest(PacketSink::Shared::kKeep);
         });
}

void ReceiverPipeline::Drain() {
  socket_->AskSendersToLeave();
  const std::array<int, 1> left = {socket_->senders_left_fd()};
  const Nanoseconds asked = clock_->MonotonicNow();
  Nanoseconds last_frame = asked;
  bool have_left = false;
  while (!have_left) {
    const Nanoseconds now = clock_->MonotonicNow();
    stats_.heartbeat.Beat(now);
    // From the deadline on the outputs drop what comes, and it is received only to be counted.
    const Nanoseconds deadline = sinks_ended_ ? asked : stop_->deadline();
    if (now >= deadline + kLongestCounting ||
        now >= std::max(deadline, last_frame) + kCountingTime) {
      break;
    }
    // Asked before the look at what is there, which then finds all that they had sent.
    have_left = socket_->SendersLeft();
    if (ReceiveSome() > 0) {
      have_left = false;
      last_frame = clock_->MonotonicNow();
    } else if (!have_left) {
      socket_->Wait(left, kStopCheck);
    }
  }
  socket_->Unbind();
  while (ReceiveSome() > 0) {
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
  socket_->WeighTransport(now);
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
  senders_.Settle(0);
  std::vector<std::string> lines = Summary(senders_.Positions());
  const std::string summary =
      Summary(SumLedger(senders_.Snapshot()), StatsOfSinks(), config_.output_mode);
  if (lines.empty()) {
    lines.push_back(summary);
  } else {
    lines.front() = summary + "; " + lines.front();
  }
  for (const std::string& line : lines) {
    Log(LogLevel::kInfo, line);
  }
  http_.reset();
  sinks_.clear();
  socket_.reset();
  context_.reset();
  return !sinks_ended_;
}

}  // namespace pcap_zmq
