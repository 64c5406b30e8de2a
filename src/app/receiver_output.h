// SPDX-License-Identifier: MIT
//
// The receiver's outputs, as its configuration has them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/file_fence.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/meanwhile.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "sink/packet_sink.h"

namespace pcap_zmq {

/// What an output shares with the rest of the receiver; all of it outlives the output.
struct OutputContext {
  SinkStats* stats;
  Heartbeat* deliverer;  ///< of the thread that delivers
  Meanwhile* meanwhile;  ///< what that thread does while it waits
  const Clock* clock;
  const StopEvent* stop;
};

/// Where files of the receiver are: it writes in the directories of its outputs and of an endpoint
/// that is a file, and reads its keys and the directory that has the directory of authorized ones,
/// as that one may be exchanged.
FilePlaces PlacesOf(const ReceiverConfig& config);

/// Opens one of the outputs of `config`.
///
/// A single one is called by the delivering thread itself, since handing packets to another thread
/// costs more than writing them; several have a queue and a thread each.
/// Errors:  those of the sink.
Result<std::unique_ptr<PacketSink>> OpenOutput(const ReceiverConfig& config,
                                               const OutputSpec& output,
                                               const OutputContext& context);

}  // namespace pcap_zmq
