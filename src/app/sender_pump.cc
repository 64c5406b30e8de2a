// SPDX-License-Identifier: MIT
#include "app/sender_pump.h"

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "base/ip_header.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kTickInterval = 250 * kNanosPerMilli;
constexpr Nanoseconds kControlInterval = kNanosPerSecond;
constexpr int kPauseMillis = 1;
// For ZeroMQ's own last bytes, once everything was delivered.
constexpr Nanoseconds kLastLinger = 100 * kNanosPerMilli;
// Parts of ZeroMQ's buffer: above the first small frames are merged, above the second a replayed
// file waits, well before ZeroMQ would refuse a frame.
constexpr double kMergeFill = 0.1;
constexpr double kReplayFill = 0.25;

// More frames than this on their way mean that they wait; smaller frames than this waste a block.
constexpr uint64_t kBacklogFrames = 64;
constexpr size_t kSmallFrameBytes = kPlainFrameTarget / 4;

std::unique_ptr<Compressor> MakeCompressor(Codec codec, int level) {
  return codec == Codec::kZstd ? MakeZstdCompressor(level) : MakeZlibCompressor(level);
}

int FastestLevel(Codec codec) {
  return codec == Codec::kZstd ? kZstdFastestLevel : kZlibFastestLevel;
}

std::vector<std::string> Endpoints(const std::vector<std::unique_ptr<PushSocket>>& sockets) {
  std::vector<std::string> names;
  names.reserve(sockets.size());
  for (const auto& socket : sockets) {
    names.push_back(socket->endpoint());
  }
  return names;
}

uint64_t RandomStreamId() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// A pooled frame keeps memory for the largest one; a backlog of small ones would take many times
// what is in it.
Frame ShrinkToFit(Frame frame) {
  Frame small = HeapFrame(frame.size());
  std::memcpy(small.data(), frame.data(), frame.size());
  small.set_packet_count(frame.packet_count());
  return small;
}

DropReason ReasonOf(SendOutcome outcome) {
  return outcome == SendOutcome::kFullBytes ? DropReason::kZmqBytes : DropReason::kZmqHwm;
}

}  // namespace

SenderPump::SenderPump(const PumpOptions& options, std::unique_ptr<PacketSource> source,
                       std::vector<std::unique_ptr<PushSocket>> sockets,
                       ControlPayload control_payload, PumpStats* stats, const Clock* clock,
                       const StopEvent* stop)
    : options_(options),
      source_(std::move(source)),
      control_payload_(std::move(control_payload)),
      stats_(stats),
      clock_(clock),
      stop_(stop),
      policy_(options.watermarks),
      effort_(options.codec_level != FastestLevel(options.codec)),
      full_compressor_(MakeCompressor(options.codec, options.codec_level)),
      fast_compressor_(MakeCompressor(options.codec, FastestLevel(options.codec))),
      pool_(kFrameHeaderBytes + kPlainFrameTarget),
      router_(Endpoints(sockets)),
      batch_(source_->BatchBytes()) {
  lanes_.reserve(sockets.size());
  for (auto& socket : sockets) {
    lanes_.push_back({std::move(socket), FrameEncoder(RandomStreamId(), &pool_), 0});
  }
}

void SenderPump::Run(Nanoseconds drain_timeout) {
  SendControls(/*last=*/false);
  ReadStatus status = ReadStatus::kNothing;
  while (status != ReadStatus::kEnd && !stop_->requested()) {
    status = ReadBatch();
    Process();
  }
  drain_timeout_ = drain_timeout;
  drain_deadline_ = clock_->MonotonicNow() + drain_timeout;
  DrainSource();
  FlushAll();
  if (DrainSockets()) {
    // Only now are the totals in it final.
    SendControls(/*last=*/true);
    DrainSockets();
  }
  CloseSockets();
  stats_->heartbeat.Rest();
  const bool stranded = stats_->dropped.Value(DropReason::kShutdown) > 0;
  failed_ = source_->failed() || (!options_.live && !stop_->requested() && stranded);
}

ReadStatus SenderPump::ReadBatch() {
  if (!options_.live) {
    AwaitBudget();
  }
  if (!source_->drained()) {
    const ReadStatus status = source_->Read(&batch_, 0);
    if (status != ReadStatus::kNothing) {
      return status;
    }
  }
  const Nanoseconds idle_from = clock_->MonotonicNow();
  Nanoseconds wake_at = std::max(next_tick_, idle_from);
  for (const Lane& lane : lanes_) {
    if (lane.encoder.packet_count() > 0) {
      wake_at = std::min(wake_at, lane.flush_at);
    }
  }
  const ReadStatus status = source_->Read(&batch_, std::max<Nanoseconds>(wake_at - idle_from, 0));
  effort_.NoteIdle(clock_->MonotonicNow() - idle_from);
  return status;
}

void SenderPump::Process() {
  const Nanoseconds now = clock_->MonotonicNow();
  stats_->heartbeat.Beat(now);
  const uint64_t raw_bytes = batch_.captured_bytes() + batch_.size() * kRecordHeaderBytes;
  policy_.Observe(now, batch_.captured_bytes(), batch_.size());
  if (!options_.live || policy_.AdmitsAll(raw_bytes)) {
    policy_.Reserve(raw_bytes);
    for (const Packet& packet : batch_.packets()) {
      Enqueue(packet);
    }
  } else {
    uint64_t shed = 0;
    for (const Packet& packet : batch_.packets()) {
      if (policy_.Admit(packet, kRecordHeaderBytes + packet.captured_length)) {
        Enqueue(packet);
      } else {
        ++shed;
      }
    }
    stats_->dropped.Add(DropReason::kShed, shed);
  }
  FlushReady(now);
  ExportLedger();
  if (now >= next_tick_) {
    Tick(now);
  }
}

void SenderPump::Enqueue(const Packet& packet) {
  Lane* lane = lanes_.data();
  if (lanes_.size() > 1) {
    lane += router_.Route(SymmetricFlowHash(packet.data, packet.captured_length));
  }
  if (!lane->encoder.Fits(packet, policy_.squash() ? kFrameRawTarget : kPlainFrameTarget)) {
    Flush(lane);
  }
  if (lane->encoder.packet_count() == 0) {
    lane->flush_at = clock_->MonotonicNow() + options_.squash_linger;
  }
  lane->encoder.Append(packet);
}

Frame SenderPump::TakeFrame(Lane* lane, size_t raw_bytes) {
  if (!policy_.squash()) {
    return lane->encoder.TakePlain();
  }
  stats_->squashed_packets.Add(lane->encoder.packet_count());
  stats_->squash_input_bytes.Add(raw_bytes);
  Frame frame;
  switch (effort_.effort()) {
    case SquashEffort::kFull:
      frame = lane->encoder.TakePacked(full_compressor_.get());
      break;
    case SquashEffort::kFast:
      frame = lane->encoder.TakePacked(fast_compressor_.get());
      break;
    case SquashEffort::kPlain:
      frame = lane->encoder.TakePlain();
      break;
  }
  stats_->squash_output_bytes.Add(frame.size() - kFrameHeaderBytes);
  return frame;
}

void SenderPump::Flush(Lane* lane) {
  const uint32_t packets = lane->encoder.packet_count();
  if (packets == 0) {
    return;
  }
  if (!options_.live) {
    AwaitRoom(lane);  // before the frame is made: a report may be sent meanwhile
  }
  const size_t raw_bytes = lane->encoder.raw_bytes();
  const Nanoseconds oldest = lane->encoder.oldest_timestamp();
  Frame frame = TakeFrame(lane, raw_bytes);
  const size_t wire_bytes = frame.size();
  if (wire_bytes < kSmallFrameBytes && lane->socket->waiting_frames() > kBacklogFrames) {
    frame = ShrinkToFit(std::move(frame));
  }
  const SendOutcome outcome = lane->socket->Send(std::move(frame));
  if (outcome != SendOutcome::kAccepted) {
    policy_.Settle(raw_bytes, 0);
    stats_->dropped.Add(ReasonOf(outcome), packets);
    stats_->zmq_hwm_hits.Add();
    return;
  }
  lane->encoder.Accepted(packets);
  policy_.Settle(raw_bytes, wire_bytes);
  if (options_.live) {
    stats_->capture_to_send.Observe(clock_->WallNow() - oldest, packets);
  }
}

void SenderPump::FlushAll() {
  for (Lane& lane : lanes_) {
    Flush(&lane);
  }
}

// Packets linger for company while they are squashed, and while so many frames wait for the
// endpoint that a few large ones use its buffer better than many small ones.
void SenderPump::FlushReady(Nanoseconds now) {
  for (Lane& lane : lanes_) {
    const bool lingers = policy_.squash() || lane.socket->fill() > kMergeFill;
    if (!lingers || now >= lane.flush_at) {
      Flush(&lane);
    }
  }
}

// A file can wait where live traffic would be shed.
void SenderPump::AwaitBudget() {
  while (!policy_.HasBudget() && Pause()) {
    policy_.Observe(clock_->MonotonicNow(), 0, 0);
  }
}

// Likewise, where live traffic would find ZeroMQ's buffer full.
void SenderPump::AwaitRoom(Lane* lane) {
  while (lane->socket->fill() > kReplayFill && Pause()) {
  }
}

// Lets a moment pass; false once the program is asked to stop.
bool SenderPump::Pause() {
  const Nanoseconds idle_from = clock_->MonotonicNow();
  pollfd stop{stop_->fd(), POLLIN, 0};
  ::poll(&stop, 1, kPauseMillis);
  const Nanoseconds now = clock_->MonotonicNow();
  stats_->heartbeat.Beat(now);
  effort_.NoteIdle(now - idle_from);  // the network is what is slow, not the packing
  ExportLedger();
  if (now >= next_tick_) {
    Tick(now);
  }
  return !stop_->requested();
}

void SenderPump::SendControls(bool last) {
  const std::string payload = control_payload_();
  for (Lane& lane : lanes_) {
    // Reports would only fill the buffer while nobody is there; the first and last one wait in it.
    if (!last && next_control_ != 0 && !lane.socket->connected()) {
      continue;
    }
    if (lane.socket->Send(lane.encoder.MakeControl(payload, last)) == SendOutcome::kAccepted) {
      lane.encoder.Accepted(0);
    }
  }
  next_control_ = clock_->MonotonicNow() + kControlInterval;
}

void SenderPump::ExportLedger() {
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
  stats_->sent_packets.AdvanceTo(sent.packets);
  stats_->sent_bytes.AdvanceTo(sent.bytes);
  stats_->sent_frames.AdvanceTo(sent.frames);
}

void SenderPump::Tick(Nanoseconds now) {
  next_tick_ = now + kTickInterval;
  effort_.Update(now);
  source_->FollowRate(policy_.PacketsPerSecond(now));
  int64_t connected = 0;
  uint64_t handshake_failures = 0;
  for (Lane& lane : lanes_) {
    lane.socket->PollConnections(now);
    connected += lane.socket->connected() ? 1 : 0;
    handshake_failures += lane.socket->handshake_failures();
  }
  stats_->connected_endpoints.Set(connected);
  stats_->handshake_failures.AdvanceTo(handshake_failures);
  stats_->rate_bytes_per_second.Set(static_cast<int64_t>(policy_.BytesPerSecond(now)));
  stats_->state.Set(static_cast<int64_t>(policy_.state()));
  stats_->effort.Set(static_cast<int64_t>(effort_.effort()));
  if (now >= next_control_) {
    SendControls(/*last=*/false);
  }
}

// Whether it is time to give up.  A signal sets the end; a source that has ended by itself is
// drained for as long as the receiver takes anything.
bool SenderPump::DrainIsOver() {
  const Nanoseconds now = clock_->MonotonicNow();
  stats_->heartbeat.Beat(now);
  if (stop_->requested()) {
    return now >= stop_->deadline();  // which a later SIGINT brings forward
  }
  if (const uint64_t frames = stats_->sent_frames.Value(); frames != drained_frames_) {
    drained_frames_ = frames;
    drain_deadline_ = now + drain_timeout_;
  }
  return now >= drain_deadline_;
}

// What the kernel had logged before the stop was asked for is still sent.
void SenderPump::DrainSource() {
  source_->StopIntake();
  // The time is looked at first: what has been read must be accounted for.
  while (!DrainIsOver()) {
    const ReadStatus status = source_->Read(&batch_, 0);
    if (status == ReadStatus::kEnd) {
      return;
    }
    Process();
    if (status == ReadStatus::kNothing) {
      ::poll(nullptr, 0, kPauseMillis);
    }
  }
}

// Waits until everything was delivered; false when the drain was over first.
bool SenderPump::DrainSockets() {
  // Reports without packets are not worth waiting for somebody who is not there.
  const auto is_drained = [](Lane& lane) {
    return lane.socket->Delivered() ||
           (!lane.socket->connected() &&
            lane.socket->released().packets == lane.socket->accepted().packets);
  };
  while (!std::all_of(lanes_.begin(), lanes_.end(), is_drained)) {
    if (DrainIsOver()) {
      return false;
    }
    ExportLedger();
    ::poll(nullptr, 0, kPauseMillis);
  }
  ExportLedger();
  return true;
}

void SenderPump::CloseSockets() {
  ExportLedger();
  const int64_t stranded = stats_->buffered_packets.Value();
  stats_->dropped.Add(DropReason::kShutdown, static_cast<uint64_t>(stranded));
  stats_->buffered_packets.Set(0);
  stats_->buffered_bytes.Set(0);
  for (Lane& lane : lanes_) {
    // Stranded frames were just counted as dropped, so they must not leave after all.
    lane.socket->Close(stranded > 0 || !lane.socket->connected() ? 0 : kLastLinger);
  }
}

}  // namespace pcap_zmq
