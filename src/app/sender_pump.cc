// SPDX-License-Identifier: MIT
#include "app/sender_pump.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kTickInterval = 250 * kNanosPerMilli;
constexpr Nanoseconds kControlInterval = kNanosPerSecond;
constexpr int kPauseMillis = 1;
// Parts of ZeroMQ's buffer: above the first small frames are merged, above the second a replayed
// file waits, well before ZeroMQ would refuse a frame.
constexpr double kMergeFill = 0.1;
constexpr double kReplayFill = 0.25;
// For how long, at most, packets are counted after the time to send them is over.
constexpr Nanoseconds kCountingTime = kNanosPerSecond;

std::unique_ptr<Compressor> MakeCompressor(Codec codec, int level) {
  return codec == Codec::kZstd ? MakeZstdCompressor(level) : MakeZlibCompressor(level);
}

int FastestLevel(Codec codec) {
  return codec == Codec::kZstd ? kZstdFastestLevel : kZlibFastestLevel;
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
      lanes_(std::move(sockets), options.lanes, &pool_, stats),
      batch_(source_->BatchBytes()) {}

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
    // Only now are the totals in it final.  ZeroMQ learns a little late that it has room again.
    while (!SendControls(/*last=*/true) && !DrainIsOver()) {
      ::poll(nullptr, 0, kPauseMillis);
    }
    DrainSockets();
  }
  lanes_.Close();
  stats_->heartbeat.Rest();
  const bool stranded = stats_->dropped.Value(DropReason::kShutdown) > 0 ||
                        stats_->dropped.Value(DropReason::kEndpointGone) > 0;
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
  for (const Lane& lane : lanes_.all()) {
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
  const uint64_t shed = policy_.Sift(now, batch_, /*may_shed=*/options_.live,
                                     [this](const Packet& packet) { Enqueue(packet); });
  stats_->dropped.Add(DropReason::kShed, shed);
  FlushReady(now);
  lanes_.ExportLedger();
  if (now >= next_follow_) {
    next_follow_ = now + kFollowInterval;
    source_->FollowRate(now);
  }
  if (now >= next_tick_) {
    Tick(now);
  }
  if (std::exchange(sweep_due_, false)) {
    lanes_.Sweep(now, control_payload_);
  }
}

void SenderPump::Enqueue(const Packet& packet) {
  Lane* lane = lanes_.Route(packet);
  while (!lane->encoder.Fits(packet, policy_.squash() ? kFrameRawTarget : kPlainFrameTarget)) {
    Flush(lane);
    // A replay may have waited for room, until the endpoint was gone.
    lane = lanes_.Route(packet);
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
  if (lane->encoder.packet_count() == 0) {
    return;
  }
  if (!options_.live) {
    AwaitRoom(lane);  // before the frame is made: a report may be sent meanwhile
  }
  const uint32_t packets = lane->encoder.packet_count();
  const size_t raw_bytes = lane->encoder.raw_bytes();
  const Nanoseconds oldest = lane->encoder.oldest_timestamp();
  Frame frame = TakeFrame(lane, raw_bytes);
  const size_t wire_bytes = frame.size();
  const SendOutcome outcome = lane->socket->Send(std::move(frame));
  if (outcome != SendOutcome::kAccepted) {
    policy_.Settle(raw_bytes, 0);
    lanes_.CountDropped(lane, ReasonOf(outcome), packets);
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
  for (Lane& lane : lanes_.all()) {
    Flush(&lane);
  }
}

// Packets linger for company while they are squashed, and while so many frames wait for the
// endpoint that a few large ones use its buffer better than many small ones.  None come where the
// endpoint is gone.
void SenderPump::FlushReady(Nanoseconds now) {
  for (Lane& lane : lanes_.all()) {
    const bool lingers = !lane.leaving && (policy_.squash() || lane.socket->fill() > kMergeFill);
    if (!lingers || now >= lane.flush_at) {
      Flush(&lane);
    }
  }
}

// A file can wait where live traffic would be shed.
void SenderPump::AwaitBudget() {
  while (!policy_.HasBudget() && Pause()) {
    policy_.Observe(clock_->MonotonicNow(), 0);
  }
}

// Likewise, where live traffic would find ZeroMQ's buffer full; but not for an endpoint whose flows
// go elsewhere by now.
void SenderPump::AwaitRoom(Lane* lane) {
  while (lane->open && lane->socket->fill() > kReplayFill && Pause()) {
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
  lanes_.ExportLedger();
  if (now >= next_tick_) {
    Tick(now);
  }
  return !stop_->requested();
}

bool SenderPump::SendControls(bool last) {
  next_control_ = clock_->MonotonicNow() + kControlInterval;
  return lanes_.Report(control_payload_(), last);
}

void SenderPump::Tick(Nanoseconds now) {
  next_tick_ = now + kTickInterval;
  sweep_due_ = true;
  effort_.Update(now);
  const bool has_new = lanes_.Follow(now);
  stats_->rate_bytes_per_second.Set(static_cast<int64_t>(policy_.BytesPerSecond(now)));
  stats_->state.Set(static_cast<int64_t>(policy_.state()));
  stats_->effort.Set(static_cast<int64_t>(effort_.effort()));
  if (has_new || now >= next_control_) {
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
  CountTheRest();
}

// What nobody has time to send is read only to be counted, which is so much faster that the
// kernel's queue runs empty under a load that kept it full; then the last of it is there, too.
void SenderPump::CountTheRest() {
  if (!options_.live) {
    return;  // a file still has what was not read of it
  }
  const Nanoseconds end = clock_->MonotonicNow() + kCountingTime;
  Nanoseconds now = 0;
  while ((now = clock_->MonotonicNow()) < end) {
    stats_->heartbeat.Beat(now);
    const ReadStatus status = source_->Read(&batch_, 0);
    if (status == ReadStatus::kEnd) {
      return;
    }
    stats_->dropped.Add(DropReason::kShutdown, batch_.size());
    if (status == ReadStatus::kNothing) {
      ::poll(nullptr, 0, kPauseMillis);
    }
  }
}

// Waits until everything was delivered; false when the drain was over first.
bool SenderPump::DrainSockets() {
  while (!lanes_.Drained()) {
    if (DrainIsOver()) {
      return false;
    }
    lanes_.ExportLedger();
    ::poll(nullptr, 0, kPauseMillis);
  }
  lanes_.ExportLedger();
  return true;
}

}  // namespace pcap_zmq
