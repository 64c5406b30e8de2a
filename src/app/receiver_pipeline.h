// SPDX-License-Identifier: MIT
//
// The receiving program put together.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/chronicle.h"
#include "app/config.h"
#include "app/thread_watch.h"
#include "base/clock.h"
#include "base/meanwhile.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "codec/frame_decoder.h"
#include "codec/sender_table.h"
#include "metrics/http_endpoint.h"
#include "sink/block_spreader.h"
#include "sink/kept_block.h"
#include "sink/packet_sink.h"
#include "transport/pull_socket.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {

/// Socket, decoder, sinks and the metrics server of one receiver.
///
/// A single sink is called by the decoding thread itself, since handing packets to another thread
/// costs more than writing them; several sinks have a queue and a thread each.
/// Threads: the main thread makes all calls.
class ReceiverPipeline final : private Meanwhile {
 public:
  /// Borrows `clock` and `stop` for its life.
  ReceiverPipeline(ReceiverConfig config, const Clock* clock, const StopEvent* stop);
  /// Needs Join() if Start() succeeded.
  ~ReceiverPipeline() override;

  /// Starts ZeroMQ's threads: the step for which no privileges may be there, in a thread that has
  /// dropped them.
  Status StartTransport();
  /// Reads the keys and binds the endpoint: the steps for which privileges may be needed.
  Status Bind();
  /// Opens the outputs, serves the metrics, and starts to receive; call it with the privileges
  /// dropped.
  Status Start();

  /// What it does, once Start() has succeeded: "listening on tcp://0.0.0.0:1234, writing to -".
  const std::string& description() const { return description_; }
  const ThreadWatch& watch() const { return watch_; }

  /// Readable once the receiver has ended.
  int done_fd() const { return done_.get(); }
  /// What is known to be lost by now, here and at the senders.
  std::vector<LossCount> Losses() const { return LossesOf(senders_.Snapshot(), StatsOfSinks()); }

  /// Waits for the decoder and closes everything; false when every output has ended for good, as
  /// standard output does when its reader leaves.
  bool Join();

 private:
  Status ReadKeys(PullOptions* options);
  void WatchThreads();
  Status StartMetrics();
  HealthReport Readiness() const;
  std::vector<const SinkStats*> StatsOfSinks() const;

  void Receive();
  int ReceiveSome();
  // Goes on receiving while the thread waits for an output.
  int Work() override;
  void Deliver(RecordBlockPtr block);
  // Waits until packets may wait in queues again, for as long as a stop allows.
  void WaitForRoom();
  // Has outputs that may drop give up what waits for them until `holder` has room.
  bool MakeRoom(MemoryBudget::Holder holder);
  bool GiveUpSomething();
  // Takes all that was sent here before the senders noticed that this receiver is leaving.
  void Drain();
  Nanoseconds ServiceSinks();
  void Tick();
  bool AllSinksEnded() const;

  const ReceiverConfig config_;
  const Clock* const clock_;
  const StopEvent* const stop_;
  UniqueFd done_;
  ThreadWatch watch_;
  std::string description_;

  ReceiverStats stats_;
  SenderTable senders_;
  std::deque<SinkStats> sink_stats_;
  std::unique_ptr<AuthorizedKeys> authorized_;  // where senders need keys
  std::string public_key_;                      // likewise
  std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<PullSocket> socket_;
  FrameDecoder decoder_;
  const BlockTaker deliver_ = [this](RecordBlockPtr block) { Deliver(std::move(block)); };
  std::vector<int> watched_;  // descriptors that end a wait
  std::vector<std::unique_ptr<PacketSink>> sinks_;
  BlockKeeper keeper_;                     // for several sinks, which have queues
  std::optional<BlockSpreader> spreader_;  // where several sinks share the flows
  bool sinks_ended_ = false;
  Nanoseconds next_service_ = 0;
  Nanoseconds next_tick_ = 0;
  Nanoseconds next_settle_ = 0;
  std::thread thread_;
  std::unique_ptr<HttpEndpoint> http_;
};

}  // namespace pcap_zmq
