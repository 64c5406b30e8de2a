// SPDX-License-Identifier: MIT
//
// The sending program put together.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/config.h"
#include "app/ledger.h"
#include "app/sender_pump.h"
#include "app/thread_watch.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "metrics/http_endpoint.h"
#include "source/packet_source.h"
#include "transport/curve_keys.h"
#include "transport/endpoint_watch.h"
#include "transport/zmq_context.h"

namespace pcap_zmq {

class FileSource;

/// Sources, pumps, sockets and the metrics server of one sender.
/// Threads: the main thread makes all calls.
class SenderPipeline {
 public:
  /// Borrows `clock` and `stop` for its life.
  SenderPipeline(SenderConfig config, const Clock* clock, const StopEvent* stop);
  /// Needs Join() if Start() succeeded.
  ~SenderPipeline();

  /// Reads the keys, for which privileges may be needed.
  Status ReadKeys();
  /// Opens the sources: the step for which privileges may be needed.
  Status Open();
  /// Connects, serves the metrics, and starts the pumps; call it with the privileges dropped.
  Status Start();

  /// What it does, once Start() has succeeded: "reading nflog:0, sending to tcp://ids:1234".
  const std::string& description() const { return description_; }
  const ThreadWatch& watch() const { return watch_; }

  /// Readable once every pump has ended.
  int done_fd() const { return done_.get(); }
  /// Shows how far a capture file has been replayed; for terminals.
  double Progress() const;
  SenderLedger Ledger() const { return SumLedger(StatsOfPumps()); }
  bool fails_over() const { return config_.failover; }
  std::vector<const PumpStats*> StatsOfPumps() const;
  bool replays_file() const { return file_source_ != nullptr; }

  /// Waits for the pumps and closes everything; false when a source broke or a replayed file was
  /// not sent whole.
  bool Join();

 private:
  // Declared in this order so that what is used goes after its users.
  struct Pump {
    PumpStats stats;
    std::unique_ptr<PacketSource> source;  // until the pump takes it
    std::unique_ptr<SenderPump> pump;
    std::thread thread;
  };

  Result<std::unique_ptr<PacketSource>> OpenSource(const std::vector<uint16_t>& groups,
                                                   PumpStats* stats);
  Status ConnectPump(Pump* pump);
  Status StartPumps();
  void Run(Pump* pump);
  Result<std::unique_ptr<PushSocket>> Connect(const std::string& endpoint) const;
  void WatchPumps();
  Status StartMetrics();
  HealthReport Readiness() const;

  const SenderConfig config_;
  const uint64_t instance_;  // of this process, in its reports
  const Clock* const clock_;
  const StopEvent* const stop_;
  UniqueFd done_;
  std::optional<CurveClientKeys> keys_;
  ThreadWatch watch_;
  std::string description_;
  std::atomic<size_t> running_{0};
  std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<EndpointWatch> endpoint_watch_;  // where names are followed
  std::deque<Pump> pumps_;
  const FileSource* file_source_ = nullptr;
  std::unique_ptr<HttpEndpoint> http_;
};

}  // namespace pcap_zmq
