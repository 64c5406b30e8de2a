// SPDX-License-Identifier: MIT
//
// One thread's way from a packet source to the endpoints.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/endpoint_lanes.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/packet.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "codec/compression.h"
#include "shaper/effort_controller.h"
#include "shaper/watermark_policy.h"
#include "source/packet_source.h"
#include "transport/push_socket.h"

namespace pcap_zmq {

struct PumpOptions {
  WatermarkOptions watermarks;
  Nanoseconds squash_linger = 50 * kNanosPerMilli;
  Codec codec = Codec::kZlib;
  int codec_level = kZlibDefaultLevel;
  /// Packets come when they come and carry the time of now: what cannot be sent is dropped, and
  /// their age means something.  A replayed file is not live: it waits instead.
  bool live = true;
  LaneOptions lanes{};
};

/// Reads batches, asks the shaper, fills frames and sends them; shares nothing with other pumps.
///
/// Nothing in it waits but the source's Read(), so a slow network never slows the capture down.
/// Threads: Run() belongs to one thread; the stats can be read from any.
class SenderPump {
 public:
  /// Makes the payload of a control frame.
  using ControlPayload = std::function<std::string()>;

  /// Owns:    the source and sockets; borrows `stats`, `clock` and `stop` for its life.
  SenderPump(const PumpOptions& options, std::unique_ptr<PacketSource> source,
             std::vector<std::unique_ptr<PushSocket>> sockets, ControlPayload control_payload,
             PumpStats* stats, const Clock* clock, const StopEvent* stop);

  /// Pumps until the source ends or the stop event is raised; then drains the source and the
  /// sockets until everything was delivered or the deadline has passed, and closes the sockets.
  /// `drain_timeout` is for a source that ended by itself: how long to go on without progress.
  void Run(Nanoseconds drain_timeout);

  /// After Run(): whether the source broke or packets of a replayed file were left unsent.
  bool failed() const { return failed_; }

 private:
  ReadStatus ReadBatch();
  void Process();
  void Enqueue(const Packet& packet);
  void Flush(Lane* lane);
  void FlushAll();
  void FlushReady(Nanoseconds now);
  void AwaitBudget();
  void AwaitRoom(Lane* lane);
  bool Pause();
  Frame TakeFrame(Lane* lane, size_t raw_bytes);
  bool SendControls(bool last);
  void Tick(Nanoseconds now);
  void DrainSource();
  void CountTheRest();
  bool DrainSockets();
  bool DrainIsOver();

  const PumpOptions options_;
  const std::unique_ptr<PacketSource> source_;
  const ControlPayload control_payload_;
  PumpStats* const stats_;
  const Clock* const clock_;
  const StopEvent* const stop_;

  WatermarkPolicy policy_;
  EffortController effort_;
  const std::unique_ptr<Compressor> full_compressor_;
  const std::unique_ptr<Compressor> fast_compressor_;
  FramePool pool_;
  EndpointLanes lanes_;
  PacketBatch batch_;

  Nanoseconds next_follow_ = 0;
  Nanoseconds next_tick_ = 0;
  bool sweep_due_ = false;  // where no lane is in use, which a tick amid a batch is not
  Nanoseconds next_control_ = 0;
  Nanoseconds drain_timeout_ = 0;
  Nanoseconds drain_deadline_ = 0;
  uint64_t drained_frames_ = 0;  // released when the deadline was set
  bool failed_ = false;
};

}  // namespace pcap_zmq
