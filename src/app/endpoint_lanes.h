// SPDX-License-Identifier: MIT
//
// A pump's endpoints: which flow goes to which, and what becomes of those that come and go.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/endpoint_board.h"
#include "base/flow_router.h"
#include "base/frame.h"
#include "base/ip_header.h"
#include "base/packet.h"
#include "base/result.h"
#include "base/stats.h"
#include "codec/frame_encoder.h"
#include "transport/endpoint_watch.h"
#include "transport/push_socket.h"

namespace pcap_zmq {

/// What goes to one endpoint: a stream of its own.
struct Lane {
  Lane(std::unique_ptr<PushSocket> its_socket, FramePool* pool);

  std::unique_ptr<PushSocket> socket;
  FrameEncoder encoder;
  Nanoseconds flush_at = 0;      ///< monotonic, when the frame under construction has lingered
  bool open = true;              ///< flows are routed here
  uint64_t dropped_packets = 0;  ///< that were routed here

  bool introduced = false;   ///< its first report was sent
  bool said_last = false;    ///< its last one was
  bool leaving = false;      ///< its endpoint is gone: it sends what it has, then ends
  Nanoseconds leave_by = 0;  ///< monotonic; where it is leaving
};

struct LaneOptions {
  /// Flows of an endpoint that is not connected go to the others meanwhile.
  bool failover = false;
  /// What goes to one endpoint.
  SpreadBy spread_by = SpreadBy::kFlow;
  /// Says which endpoints there are; null when they never change.  Outlives the lanes.
  const EndpointWatch* watch = nullptr;
  /// Connects to an endpoint that has appeared; where there is a watch.
  std::function<Result<std::unique_ptr<PushSocket>>(const std::string& endpoint)> connect{};
  /// Longest that an endpoint which is gone is waited for.
  Nanoseconds drain_timeout = 5 * kNanosPerSecond;
};

/// The lanes of one pump, of which there is always an open one.
///
/// Flows are spread over the open lanes by rendezvous hashing.  Packets that an endpoint had not
/// taken when its time was up are dropped as kEndpointGone.
/// Threads: not thread-safe; belongs to the pump.  The stats can be read from any.
class EndpointLanes {
 public:
  /// `sockets` are those to begin with, at least one.
  /// Owns:    borrows `pool` and `stats`; they outlive the lanes.
  EndpointLanes(std::vector<std::unique_ptr<PushSocket>> sockets, LaneOptions options,
                FramePool* pool, PumpStats* stats);

  /// The lane of a packet's flow.
  /// Owns:    lives until the next Sweep(); whether it is open may change in Follow().
  Lane* Route(const Packet& packet) const {
    return open_.size() == 1 ? open_.front()
                             : open_[router_.Route(SpreadHash(options_.spread_by, packet.data,
                                                              packet.captured_length))];
  }

  std::list<Lane>& all() { return lanes_; }
  const std::list<Lane>& all() const { return lanes_; }

  /// Takes in what has happened to connections and endpoints; call it a few times a second.  True
  /// when there are new lanes, which have reported nothing yet.
  bool Follow(Nanoseconds now);

  /// Ends lanes that leave and are done, or whose time is up.  `report` makes the last one.
  void Sweep(Nanoseconds now, const std::function<std::string()>& report);

  /// Sends a report with `payload` to every endpoint that takes it and has not had its last one.
  /// False when one that is connected refused it.
  bool Report(std::string_view payload, bool last);

  /// Counts `packets` that were for `lane`.
  void CountDropped(Lane* lane, DropReason reason, uint64_t packets);

  /// Exports what is held, buffered and sent.
  void ExportLedger();

  /// Whether nothing that matters is on its way any more.
  bool Drained();

  /// Closes all lanes; what they still have is dropped as kShutdown.
  void Close();

 private:
  Lane* Find(std::string_view endpoint);
  // Whether a lane is there for each endpoint, and no other is open.
  bool Reconcile(Nanoseconds now);
  bool Connect(const std::string& endpoint);
  void ChooseOpen();
  void Post();
  // Takes what `lane` has sent into the sums of those that are gone, drops the rest and closes.
  void End(Lane* lane, DropReason reason);

  const LaneOptions options_;
  FramePool* const pool_;
  PumpStats* const stats_;

  std::list<Lane> lanes_;    // addresses stay
  std::vector<Lane*> open_;  // in the order of router_'s names
  std::vector<Lane*> candidates_;
  FlowRouter router_;

  std::shared_ptr<const EndpointWatch::Endpoints> wanted_;
  uint64_t wanted_version_ = 0;
  bool reconciled_ = true;
  bool added_ = false;         // lanes, since the last Follow()
  bool told_failure_ = false;  // to connect; logged once

  PushSocket::Tally gone_sent_;  // of lanes that have ended
  uint64_t gone_handshake_failures_ = 0;
};

}  // namespace pcap_zmq
