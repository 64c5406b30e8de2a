// SPDX-License-Identifier: MIT
#include "source/nflog_source.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/ip_header.h"
#include "base/log.h"
#include "source/close_intake.h"
#include "source/wait_readable.h"

namespace pcap_zmq {
namespace {

// The kernel's largest datagram: twice the largest batch buffer that it can be asked for.
constexpr size_t kDatagramRoom = size_t{256} * 1024;
// Room for more small datagrams behind the first, so that a burst of one-packet datagrams makes one
// batch and not a batch each.
constexpr size_t kArenaBytes = 2 * kDatagramRoom;
constexpr size_t kMaxBatchPackets = 512;

// Of requests that are for all groups; the others carry the group's place in the list.
constexpr uint32_t kReleaseSequence = 0x10000000;

constexpr Nanoseconds kReplyTimeout = 5 * kNanosPerSecond;

Status CheckGroups(std::vector<uint16_t> groups) {
  if (groups.empty()) {
    return ConfigError("no NFLOG group is given");
  }
  std::sort(groups.begin(), groups.end());
  const auto twice = std::adjacent_find(groups.begin(), groups.end());
  if (twice != groups.end()) {
    return ConfigError("NFLOG group " + std::to_string(*twice) + " is listed twice");
  }
  return {};
}

}  // namespace

NflogSource::NflogSource(NflogSocket socket, const NflogOptions& options, PumpStats* stats,
                         const Clock* clock, const StopEvent* stop)
    : socket_(std::move(socket)),
      follow_rate_(options.threshold == 0),
      batch_latency_(options.batch_latency),
      flush_interval_(options.flush_interval),
      stats_(stats),
      clock_(clock),
      stop_(stop) {}

Result<std::unique_ptr<NflogSource>> NflogSource::Open(const NflogOptions& options,
                                                       PumpStats* stats, const Clock* clock,
                                                       const StopEvent* stop) {
  const Status checked = CheckGroups(options.groups);
  if (!checked.ok()) {
    return checked.error();
  }
  Result<NflogSocket> socket = NflogSocket::Open(options.receive_buffer_bytes);
  if (!socket.ok()) {
    return socket.error();
  }
  stats->receive_buffer_bytes.Set(static_cast<int64_t>(socket.value().receive_buffer_bytes()));
  const NflogGroupSettings settings{.snaplen = options.snaplen,
                                    .threshold = std::max<uint32_t>(options.threshold, 1),
                                    .flush_interval = options.flush_interval};
  std::unique_ptr<NflogSource> source(new NflogSource(socket.Take(), options, stats, clock, stop));
  for (const uint16_t number : options.groups) {
    const Status bound = source->Bind(number, settings);
    if (!bound.ok()) {
      return bound.error();
    }
  }
  for (Group& group : source->groups_) {
    group.stats = &stats->sources.emplace_back("nflog:" + std::to_string(group.number));
  }
  source->ExportThreshold();
  return source;
}

Status NflogSource::Bind(uint16_t number, const NflogGroupSettings& settings) {
  groups_.push_back({.number = number,
                     .threshold = settings.threshold,
                     .previous_threshold = settings.threshold});
  const auto sequence = static_cast<uint32_t>(groups_.size());
  int error_number = socket_.RequestGroup(number, settings, sequence);
  if (error_number == 0) {
    error_number = AwaitReply(sequence);
  }
  return error_number == 0 ? Status() : Status(NflogGroupError(number, error_number));
}

// Datagrams that are not the reply hold packets of groups bound before or just now; they are kept
// for the first Read().
int NflogSource::AwaitReply(uint32_t sequence) {
  std::vector<uint8_t> buffer(kDatagramRoom);
  while (true) {
    std::span<const uint8_t> datagram;
    while (Receive(buffer, &datagram)) {
      NflogDatagramReader reader(datagram);
      if (reader.Next() == NflogItem::kReply && reader.reply_sequence() == sequence) {
        return reader.reply_error();
      }
      early_.emplace_back(datagram.begin(), datagram.end());
    }
    if (!WaitReadable(socket_.fd(), *stop_, kReplyTimeout)) {
      return stop_->requested() ? EINTR : ETIMEDOUT;
    }
  }
}

size_t NflogSource::BatchBytes() const {
  return kArenaBytes;
}

ReadStatus NflogSource::Read(PacketBatch* batch, Nanoseconds timeout) {
  batch->Clear();
  // Under load packets are there, and neither clock nor poll is asked; else poll tells as well.
  if (!drained_ || timeout == 0 || intake_ != Intake::kOpen) {
    Drain(batch);
  }
  if (batch->empty() && !ended_ && timeout > 0) {
    const Nanoseconds start = clock_->MonotonicNow();
    Nanoseconds left = timeout;
    while (left > 0 && WaitReadable(socket_.fd(), *stop_, left)) {
      Drain(batch);
      if (!batch->empty() || ended_) {
        break;
      }
      // What came was of no use; the rest of the time is still to be waited.
      left = timeout - (clock_->MonotonicNow() - start);
    }
  }
  if (!batch->empty()) {
    return ReadStatus::kPackets;
  }
  return ended_ ? ReadStatus::kEnd : ReadStatus::kNothing;
}

void NflogSource::Drain(PacketBatch* batch) {
  drained_ = false;
  if (intake_ == Intake::kFlushing) {
    // Under load the socket may never be found empty.
    GoOnStopping();
  }
  std::span<uint8_t> room = batch->arena();
  while (room.size() >= kDatagramRoom && batch->size() < kMaxBatchPackets) {
    std::span<const uint8_t> datagram;
    if (early_taken_ < early_.size()) {
      const std::vector<uint8_t>& kept = early_[early_taken_++];
      std::memcpy(room.data(), kept.data(), kept.size());
      datagram = room.first(kept.size());
    } else if (!early_.empty()) {
      early_ = {};
      early_taken_ = 0;
      continue;
    } else if (ended_ || !Receive(room, &datagram)) {
      drained_ = true;
      GoOnStopping();
      return;
    }
    Take(datagram, batch);
    const size_t used = (datagram.size() + kCacheLine - 1) / kCacheLine * kCacheLine;
    room = room.subspan(std::min(used, room.size()));
  }
}

// False when nothing is there.
bool NflogSource::Receive(std::span<uint8_t> room, std::span<const uint8_t>* datagram) {
  while (true) {
    const ssize_t length = ::recv(socket_.fd(), room.data(), room.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (length >= 0 && static_cast<size_t>(length) <= room.size()) {
      *datagram = room.first(static_cast<size_t>(length));
      return true;
    }
    const int error_number = errno;
    if (length >= 0) {
      // Its packets are missed by their sequence numbers.
      stats_->truncated_datagrams.Add();
    } else if (error_number == ENOBUFS) {
      // Said once an overrun, before the packets that are still queued.
      stats_->overruns.Add();
      congested_ = true;
    } else if (error_number == EAGAIN) {
      congested_ = false;
      return false;
    } else if (error_number != EINTR) {
      Log(LogLevel::kError, std::string("the packet log's socket failed: ") +
                                std::strerror(error_number));  // NOLINT(concurrency-mt-unsafe)
      ended_ = true;
      failed_ = true;
      return false;
    }
  }
}

void NflogSource::Take(std::span<const uint8_t> datagram, PacketBatch* batch) {
  datagram_time_ = 0;
  NflogDatagramReader reader(datagram);
  while (true) {
    switch (reader.Next()) {
      case NflogItem::kPacket:
        TakePacket(reader.packet(), batch);
        break;
      case NflogItem::kReply:
        if (reader.reply_error() != 0) {
          TakeRefusal(reader.reply_sequence(), reader.reply_error());
        }
        break;
      case NflogItem::kDamaged:
        stats_->damaged_records.Add();
        break;
      case NflogItem::kEnd:
        SettleTally();
        return;
    }
  }
}

void NflogSource::TakePacket(const NflogRecord& record, PacketBatch* batch) {
  if (group_ == nullptr || group_->number != record.group) {
    SettleTally();  // rarely: a kernel batch holds packets of one group
    group_ = FindGroup(record.group);
    if (group_ == nullptr) {
      stats_->damaged_records.Add();
      return;
    }
  }
  if (record.has_sequence) {
    const uint32_t gap = record.sequence - group_->next_sequence;
    // The counter wraps; what looks like half its range lost is a step back, not a loss.
    tally_.lost += gap <= INT32_MAX ? gap : 0;
    group_->next_sequence = record.sequence + 1;
  }
  ++tally_.packets;
  tally_.bytes += record.payload.size();
  const Nanoseconds timestamp = Stamp(record.timestamp);
  if (record.payload.empty()) {
    ++tally_.no_payload;
    return;
  }
  const std::optional<size_t> offset = NflogIpOffset(record);
  if (!offset.has_value()) {
    ++tally_.not_ip;
    return;
  }
  const std::span<const uint8_t> ip = record.payload.subspan(*offset);
  tally_.bytes -= *offset;
  batch->Add({.timestamp = timestamp,
              .data = ip.data(),
              .captured_length = static_cast<uint32_t>(ip.size()),
              .original_length = OriginalLength(ip.data(), ip.size())});
}

// Packets of OUTPUT and POSTROUTING come without a stamp.  The time at which they are read must not
// put them before packets that were logged earlier; if it is far before, the clock was set back.
Nanoseconds NflogSource::Stamp(Nanoseconds kernel_timestamp) {
  constexpr Nanoseconds kSetBack = 10 * kNanosPerSecond;
  if (kernel_timestamp != 0) {
    return last_timestamp_ = kernel_timestamp;
  }
  if (datagram_time_ == 0) {
    datagram_time_ = clock_->WallNow();
  }
  const bool set_back = last_timestamp_ - datagram_time_ > kSetBack;
  return last_timestamp_ = set_back ? datagram_time_ : std::max(last_timestamp_, datagram_time_);
}

NflogSource::Group* NflogSource::FindGroup(uint16_t number) {
  const auto found = std::find_if(groups_.begin(), groups_.end(),
                                  [number](const Group& group) { return group.number == number; });
  return found == groups_.end() ? nullptr : &*found;
}

void NflogSource::SettleTally() {
  if (group_ == nullptr || tally_.packets == 0) {
    return;
  }
  group_->stats->captured_packets.Add(tally_.packets);
  group_->stats->captured_bytes.Add(tally_.bytes);
  group_->stats->kernel_lost_packets.Add(tally_.lost);
  stats_->dropped.Add(DropReason::kNoPayload, tally_.no_payload);
  stats_->dropped.Add(DropReason::kLinkType, tally_.not_ip);
  tally_ = {};
}

void NflogSource::FollowRate(Nanoseconds now) {
  if (!follow_rate_) {
    return;
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    group.rate.Update(now, group.stats->captured_packets.Value());
    const uint32_t threshold =
        FollowThreshold(group.threshold, group.rate.packets_per_second(), batch_latency_);
    if (threshold == group.threshold) {
      continue;
    }
    if (socket_.RequestThreshold(group.number, threshold, static_cast<uint32_t>(i + 1)) == 0) {
      group.previous_threshold = std::exchange(group.threshold, threshold);
    }
  }
  ExportThreshold();
}

void NflogSource::StopIntake() {
  if (intake_ != Intake::kOpen) {
    return;
  }
  follow_rate_ = false;
  intake_ = Intake::kReleasing;
  int pending = 0;
  socklen_t length = sizeof pending;
  if (::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &pending, &length) == 0 &&
      pending == ENOBUFS) {
    stats_->overruns.Add();
    congested_ = true;
  }
  // A congested socket would refuse the last batches, and with them go the sequence numbers that
  // tell how much was lost before.
  if (!congested_) {
    ReleaseGroups();
  }
}

void NflogSource::ReleaseGroups() {
  intake_ = Intake::kClosed;
  for (const Group& group : groups_) {
    static_cast<void>(socket_.RequestRelease(group.number, kReleaseSequence));
  }
}

// Called whenever the socket has been emptied, or is to be closed in time.
void NflogSource::GoOnStopping() {
  switch (intake_) {
    case Intake::kOpen:
      break;
    case Intake::kReleasing:
      ReleaseGroups();
      break;
    case Intake::kFlushing:
      if (clock_->MonotonicNow() >= flushed_at_) {
        intake_ = Intake::kClosed;
        ended_ = !CloseIntake(socket_.fd());
      }
      break;
    case Intake::kClosed:
      ended_ = true;
      break;
  }
}

// Requests are numbered by group, so the reply says which one the kernel did not take.
void NflogSource::TakeRefusal(uint32_t sequence, int error_number) {
  if (sequence == kReleaseSequence && intake_ == Intake::kClosed) {
    // The kernel's timer delivers what is logged by now; it is up to a tick late.
    constexpr Nanoseconds kTick = 10 * kNanosPerMilli;
    flushed_at_ = clock_->MonotonicNow() + flush_interval_ + kTick;
    intake_ = Intake::kFlushing;
    return;
  }
  if (sequence == 0 || sequence > groups_.size()) {
    return;
  }
  Group& group = groups_[sequence - 1];
  group.threshold = group.previous_threshold;
  ExportThreshold();
  if (std::exchange(follow_rate_, false)) {
    Log(LogLevel::kWarning,
        "NFLOG batches no longer follow the rate: the kernel refused a new threshold for group " +
            std::to_string(group.number) + ": " +
            std::strerror(error_number) +  // NOLINT(concurrency-mt-unsafe)
            (error_number == EPERM ? " (CAP_NET_ADMIN was dropped)" : ""));
  }
}

void NflogSource::ExportThreshold() {
  uint32_t largest = 0;
  for (const Group& group : groups_) {
    largest = std::max(largest, group.threshold);
  }
  stats_->nflog_threshold.Set(largest);
}

}  // namespace pcap_zmq
