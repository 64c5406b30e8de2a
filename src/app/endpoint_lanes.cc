// SPDX-License-Identifier: MIT
#include "app/endpoint_lanes.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/log.h"

namespace pcap_zmq {
namespace {

// For ZeroMQ's own last bytes, once everything was delivered.
constexpr Nanoseconds kLastLinger = 100 * kNanosPerMilli;

uint64_t RandomStreamId() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// Reports without packets are not worth waiting for somebody who is not there.
bool IsDrained(const Lane& lane) {
  return lane.socket->Delivered() ||
         (!lane.socket->connected() &&
          lane.socket->released().packets == lane.socket->accepted().packets);
}

bool SendReport(Lane* lane, std::string_view payload, bool last) {
  lane->introduced = true;
  if (lane->socket->Send(lane->encoder.MakeControl(payload, last)) != SendOutcome::kAccepted) {
    return false;
  }
  lane->encoder.Accepted(0);
  lane->said_last = last;
  return true;
}

}  // namespace

Lane::Lane(std::unique_ptr<PushSocket> its_socket, FramePool* pool)
    : socket(std::move(its_socket)), encoder(RandomStreamId(), pool) {}

EndpointLanes::EndpointLanes(std::vector<std::unique_ptr<PushSocket>> sockets, LaneOptions options,
                             FramePool* pool, PumpStats* stats)
    : options_(std::move(options)), pool_(pool), stats_(stats) {
  for (auto& socket : sockets) {
    lanes_.emplace_back(std::move(socket), pool_);
  }
  ChooseOpen();
  Post();
}

Lane* EndpointLanes::Find(std::string_view endpoint) {
  const auto lane = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& one) {
    return one.socket->endpoint() == endpoint;
  });
  return lane != lanes_.end() ? &*lane : nullptr;
}

bool EndpointLanes::Follow(Nanoseconds now) {
  for (Lane& lane : lanes_) {
    lane.socket->PollConnections(now);
  }
  if (options_.watch != nullptr && options_.watch->version() != wanted_version_) {
    wanted_version_ = options_.watch->version();
    wanted_ = options_.watch->endpoints();
    reconciled_ = false;
  }
  if (!reconciled_) {
    reconciled_ = Reconcile(now);
  }
  ChooseOpen();
  Post();
  return std::exchange(added_, false);
}

bool EndpointLanes::Reconcile(Nanoseconds now) {
  bool complete = true;
  bool any = false;
  for (const std::string& endpoint : *wanted_) {
    Lane* const lane = Find(endpoint);
    if (lane == nullptr) {
      complete = Connect(endpoint) && complete;
    } else if (lane->said_last) {
      complete = false;  // its stream has ended; another begins when it is gone
    } else {
      lane->leaving = false;
    }
  }
  const auto is_wanted = [this](const Lane& lane) {
    return std::find(wanted_->begin(), wanted_->end(), lane.socket->endpoint()) != wanted_->end();
  };
  for (const Lane& lane : lanes_) {
    any = any || (!lane.leaving && is_wanted(lane));
  }
  if (!any) {
    return false;  // packets need somewhere to go
  }
  for (Lane& lane : lanes_) {
    if (!lane.leaving && !is_wanted(lane)) {
      lane.leaving = true;
      lane.leave_by = now + options_.drain_timeout;
    }
  }
  return complete;
}

bool EndpointLanes::Connect(const std::string& endpoint) {
  auto socket = options_.connect(endpoint);
  if (!socket.ok()) {
    if (!std::exchange(told_failure_, true)) {
      Log(LogLevel::kError, socket.error().message + "; trying on");
    }
    return false;
  }
  told_failure_ = false;
  lanes_.emplace_back(socket.Take(), pool_);
  added_ = true;
  return true;
}

void EndpointLanes::ChooseOpen() {
  const auto choose = [this](bool connected_alone) {
    candidates_.clear();
    for (Lane& lane : lanes_) {
      lane.open = !lane.leaving && (!connected_alone || lane.socket->connected());
      if (lane.open) {
        candidates_.push_back(&lane);
      }
    }
    return !candidates_.empty();
  };
  if (!options_.failover || !choose(/*connected_alone=*/true)) {
    choose(/*connected_alone=*/false);
  }
  if (candidates_ == open_) {
    return;
  }
  open_ = candidates_;
  std::vector<std::string> names;
  for (const Lane* lane : open_) {
    names.push_back(lane->socket->endpoint());
  }
  router_ = FlowRouter(names);
}

void EndpointLanes::Post() {
  EndpointRows rows;
  int64_t connected = 0;
  uint64_t handshake_failures = gone_handshake_failures_;
  for (const Lane& lane : lanes_) {
    const PushSocket::Tally sent = lane.socket->released();
    rows.push_back({lane.socket->endpoint(), lane.socket->connected(), sent.packets,
                    lane.dropped_packets, lane.socket->accepted().packets - sent.packets});
    connected += lane.socket->connected() && !lane.leaving ? 1 : 0;
    handshake_failures += lane.socket->handshake_failures();
  }
  // Those that could not be connected to yet.
  for (const std::string& endpoint : reconciled_ ? EndpointWatch::Endpoints() : *wanted_) {
    if (Find(endpoint) == nullptr) {
      rows.push_back({.endpoint = endpoint});
    }
  }
  stats_->endpoints.Post(std::move(rows));
  stats_->connected_endpoints.Set(connected);
  stats_->handshake_failures.AdvanceTo(handshake_failures);
}

void EndpointLanes::Sweep(Nanoseconds now, const std::function<std::string()>& report) {
  bool ended = false;
  for (auto lane = lanes_.begin(); lane != lanes_.end();) {
    const auto next = std::next(lane);
    if (!lane->leaving || lane->encoder.packet_count() > 0) {
      lane = next;
      continue;
    }
    const bool drained = IsDrained(*lane);
    if (drained && !lane->said_last && lane->socket->connected() && now < lane->leave_by) {
      SendReport(&*lane, report(), /*last=*/true);  // where it is refused, the next time
    } else if (drained || now >= lane->leave_by) {
      End(&*lane, DropReason::kEndpointGone);
      lanes_.erase(lane);
      ended = true;
    }
    lane = next;
  }
  if (ended) {
    ExportLedger();
    Post();
  }
}

void EndpointLanes::End(Lane* lane, DropReason reason) {
  // What ZeroMQ lets go of from here on, it throws away; but for the frame that it is just sending,
  // which then arrives and is counted as dropped nevertheless.
  const PushSocket::Tally sent = lane->socket->released();
  const uint64_t stranded = lane->socket->accepted().packets - sent.packets;
  gone_sent_ += sent;
  gone_handshake_failures_ += lane->socket->handshake_failures();
  CountDropped(lane, reason, stranded);
  lane->socket->Close(stranded > 0 || !lane->socket->connected() ? 0 : kLastLinger);
}

bool EndpointLanes::Report(std::string_view payload, bool last) {
  bool taken = true;
  for (Lane& lane : lanes_) {
    // Reports would only fill the buffer while nobody is there; the first and last one wait in it.
    if (!lane.said_last && (last || !lane.introduced || lane.socket->connected())) {
      taken = (SendReport(&lane, payload, last) || !lane.socket->connected()) && taken;
    }
  }
  return taken;
}

void EndpointLanes::CountDropped(Lane* lane, DropReason reason, uint64_t packets) {
  lane->dropped_packets += packets;
  stats_->dropped.Add(reason, packets);
}

void EndpointLanes::ExportLedger() {
  uint64_t held = 0;
  PushSocket::Tally accepted;
  PushSocket::Tally sent;
  for (const Lane& lane : lanes_) {
    held += lane.encoder.packet_count();
    accepted += lane.socket->accepted();
    sent += lane.socket->released();
  }
  stats_->held_packets.Set(static_cast<int64_t>(held));
  stats_->buffered_packets.Set(static_cast<int64_t>(accepted.packets - sent.packets));
  stats_->buffered_bytes.Set(static_cast<int64_t>(accepted.bytes - sent.bytes));
  sent += gone_sent_;
  stats_->sent_packets.AdvanceTo(sent.packets);
  stats_->sent_bytes.AdvanceTo(sent.bytes);
  stats_->sent_frames.AdvanceTo(sent.frames);
}

bool EndpointLanes::Drained() {
  return std::all_of(lanes_.begin(), lanes_.end(), IsDrained);
}

void EndpointLanes::Close() {
  ExportLedger();
  for (Lane& lane : lanes_) {
    End(&lane, DropReason::kShutdown);
  }
  lanes_.clear();
  open_.clear();
  reconciled_ = true;
  Post();
  ExportLedger();
}

}  // namespace pcap_zmq
