// SPDX-License-Identifier: MIT
#include "sink/queued_sink.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/event_fd.h"
#include "base/thread.h"
#include "sink/pcap_format.h"
#include "sink/stop_wait.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kPushSlice = 20 * kNanosPerMilli;  // how late a stop may be noticed

}  // namespace

Result<std::unique_ptr<QueuedSink>> QueuedSink::Start(std::unique_ptr<PacketSink> inner,
                                                      const QueueOptions& options, SinkStats* stats,
                                                      const Clock* clock, const StopEvent* stop) {
  std::unique_ptr<QueuedSink> sink(new QueuedSink(std::move(inner), options, stats, clock, stop));
  Result<UniqueFd> wake = MakeEventFd();
  if (!wake.ok()) {
    return RuntimeError("output " + stats->label + ": " + wake.error().message);
  }
  sink->wake_fd_ = wake.Take();
  Result<std::thread> thread = StartThread("output", [raw = sink.get()] { raw->Run(); });
  if (!thread.ok()) {
    return RuntimeError("output " + stats->label + ": " + thread.error().message);
  }
  sink->thread_ = thread.Take();
  return sink;
}

QueuedSink::QueuedSink(std::unique_ptr<PacketSink> inner, const QueueOptions& options,
                       SinkStats* stats, const Clock* clock, const StopEvent* stop)
    : inner_(std::move(inner)),
      policy_(options.policy),
      waiter_(options.waiter),
      meanwhile_(options.meanwhile),
      stats_(stats),
      clock_(clock),
      stop_(stop),
      queue_(options.max_bytes) {}

QueuedSink::~QueuedSink() {
  Finish();
}

void QueuedSink::Deliver(RecordBlockPtr block) {
  const uint32_t packets = block->packet_count;
  block = Compact(std::move(block));
  const size_t weight = HeldBytes(*block);
  // Before the push: the thread may have the block out of the queue before this one goes on.
  stats_->queued_packets.Add(packets);
  if (policy_ == OverflowPolicy::kBlock) {
    if (!PushWaiting(block, weight)) {
      dropped_at_shutdown_ += packets;
      return;  // queued until Finish() counts them
    }
  } else if (!queue_.TryPush(block, weight)) {
    stats_->queued_packets.Add(-int64_t{packets});
    stats_->dropped.Add(SinkDropReason::kQueueFull, packets);
    return;
  }
  if (sleeping_.exchange(false)) {
    Wake();
  }
}

bool QueuedSink::PushWaiting(RecordBlockPtr& block, size_t weight) {
  Nanoseconds slice = 0;
  while (true) {
    // Once the drain is over there is still room to be had, but no time to wait for it.
    const bool over =
        !thread_.joinable() || (stop_->requested() && clock_->MonotonicNow() >= stop_->deadline());
    if (queue_.Push(block, weight, over ? 0 : slice)) {
      return true;
    }
    if (over) {
      return false;
    }
    if (waiter_ != nullptr) {
      waiter_->Beat(clock_->MonotonicNow());
    }
    slice = meanwhile_ != nullptr && meanwhile_->Work() >= 0 ? kWorkInterval : kPushSlice;
  }
}

bool QueuedSink::GiveUpOldest(Shared shared) {
  if (policy_ != OverflowPolicy::kDrop) {
    return false;
  }
  const auto may_go = [shared](const RecordBlockPtr& block) {
    return shared == Shared::kGiveUp || block.use_count() == 1;
  };
  const std::optional<RecordBlockPtr> block = queue_.PopIf(may_go);
  if (!block.has_value()) {
    return false;
  }
  const uint32_t packets = (*block)->packet_count;
  stats_->queued_packets.Add(-int64_t{packets});
  stats_->dropped.Add(SinkDropReason::kQueueFull, packets);
  return true;
}

void QueuedSink::Wake() {
  const uint64_t one = 1;
  // It can only be full of earlier calls, which wake as well.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_.get(), &one, sizeof one);
}

void QueuedSink::Run() {
  while (!queue_.Finished()) {
    stats_->heartbeat.Beat(clock_->MonotonicNow());
    std::optional<RecordBlockPtr> block = queue_.Pop(0);
    if (!block.has_value()) {
      const Nanoseconds timeout = inner_->Service();
      // Announced before the last look into the queue: whoever pushes after it sees the flag.
      sleeping_.store(true);
      block = queue_.Pop(0);
      if (!block.has_value() && !queue_.Finished()) {
        Sleep(timeout);
        continue;
      }
      sleeping_.store(false);
    }
    if (block.has_value()) {
      stats_->queued_packets.Add(-int64_t{(*block)->packet_count});
      inner_->Deliver(std::move(*block));
    }
  }
  inner_->Finish();
  stats_->heartbeat.Rest();
}

void QueuedSink::Sleep(Nanoseconds timeout) {
  std::array<pollfd, 2> waits = {pollfd{wake_fd_.get(), POLLIN, 0},
                                 pollfd{inner_->watch_fd(), 0, 0}};
  const timespec limit = ToTimespec(timeout);
  ::ppoll(waits.data(), waits.size(), &limit, nullptr);
  sleeping_.store(false);
  uint64_t calls = 0;
  // Empty if something else ended the wait.
  [[maybe_unused]] const ssize_t taken = ::read(wake_fd_.get(), &calls, sizeof calls);
}

void QueuedSink::Finish() {
  if (!thread_.joinable()) {
    return;
  }
  queue_.Close();
  Wake();
  thread_.join();
  stats_->dropped.Add(SinkDropReason::kShutdown, dropped_at_shutdown_);
  stats_->queued_packets.Add(-static_cast<int64_t>(dropped_at_shutdown_));
  dropped_at_shutdown_ = 0;
}

}  // namespace pcap_zmq
