// SPDX-License-Identifier: MIT
//
// A thread and a bounded queue before another sink, so that several outputs do not wait for one
// another.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/meanwhile.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "sink/packet_sink.h"

namespace pcap_zmq {

/// What to do with a block when the queue is full.
enum class OverflowPolicy {
  /// Wait for room.  Nothing is lost, but the pressure runs back through ZeroMQ to the senders, and
  /// every other output of the receiver stands still as long as this one does.
  kBlock,
  /// Drop the block and count its packets as queue_full.  The other outputs never wait for this
  /// one, which has gaps whenever its reader is slower than the traffic for longer than the queue
  /// lasts.
  kDrop,
};

struct QueueOptions {
  OverflowPolicy policy = OverflowPolicy::kDrop;
  size_t max_bytes = size_t{64} << 20;  ///< of memory; one larger block fits into an empty queue
  Heartbeat* waiter = nullptr;          ///< of the thread that delivers, for when it has to wait
  Meanwhile* meanwhile = nullptr;       ///< what that thread does then
};

/// Runs a sink in a thread of its own.
///
/// Threads: one thread delivers and finishes, any other may ask usable() and ended().  The inner
///          sink belongs to the thread in here.
class QueuedSink final : public PacketSink {
 public:
  /// `stats` are those that the inner sink counts in.
  /// Owns:    takes `inner`; borrows the rest for its life.
  /// Errors:  kRuntime when the system refuses a thread or a descriptor.
  static Result<std::unique_ptr<QueuedSink>> Start(std::unique_ptr<PacketSink> inner,
                                                   const QueueOptions& options, SinkStats* stats,
                                                   const Clock* clock, const StopEvent* stop);
  ~QueuedSink() override;

  void Deliver(RecordBlockPtr block) override;
  /// Nothing to notice: the thread in here looks after the inner sink.
  Nanoseconds Service() override { return kNanosPerSecond; }
  int watch_fd() const override { return -1; }
  bool usable() const override { return inner_->usable(); }
  bool ended() const override { return inner_->ended(); }
  size_t waiting_bytes() const override { return queue_.weight(); }
  bool GiveUpOldest(Shared shared) override;
  /// Waits until the inner sink has delivered or dropped all that is queued.
  void Finish() override;

 private:
  QueuedSink(std::unique_ptr<PacketSink> inner, const QueueOptions& options, SinkStats* stats,
             const Clock* clock, const StopEvent* stop);

  // False when neither the queue nor the drain has room or time left.
  bool PushWaiting(RecordBlockPtr& block, size_t weight);
  void Wake();
  void Run();
  // Waits for a block, an event of the inner sink or its next service.
  void Sleep(Nanoseconds timeout);

  const std::unique_ptr<PacketSink> inner_;
  const OverflowPolicy policy_;
  Heartbeat* const waiter_;
  Meanwhile* const meanwhile_;
  SinkStats* const stats_;
  const Clock* const clock_;
  const StopEvent* const stop_;
  BoundedQueue<RecordBlockPtr> queue_;
  UniqueFd wake_fd_;
  std::atomic<bool> sleeping_{false};  // the thread waits for wake_fd_
  uint64_t dropped_at_shutdown_ = 0;   // the inner sink's counter takes it once its thread is gone
  std::thread thread_;
};

}  // namespace pcap_zmq
