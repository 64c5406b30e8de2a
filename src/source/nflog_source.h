// SPDX-License-Identifier: MIT
//
// Packets from the kernel's NFLOG groups.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/packet.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "source/nflog_record.h"
#include "source/nflog_socket.h"
#include "source/nflog_threshold.h"
#include "source/packet_source.h"

namespace pcap_zmq {

struct NflogOptions {
  std::vector<uint16_t> groups = {};
  uint32_t snaplen = 65'535;  ///< a rule's own size limit applies as well
  uint64_t receive_buffer_bytes = uint64_t{64} * 1024 * 1024;
  uint32_t threshold = 0;                      ///< packets a kernel batch; 0 follows the rate
  Nanoseconds batch_latency = kNanosPerMilli;  ///< of traffic in a batch that follows the rate
  Nanoseconds flush_interval = 10 * kNanosPerMilli;
};

/// NFLOG groups read through one netlink socket.
///
/// Packets are views into the batch's arena, into which the kernel's datagrams are received.
/// Losses are counted from the groups' sequence numbers: exactly, and when the next packet of the
/// group arrives.
/// Threads: one pump.
/// Source:  the kernel's net/netfilter/nfnetlink_log.c.
class NflogSource final : public PacketSource {
 public:
  /// Binds the groups and adds each as "nflog:N" to `stats->sources`.
  /// Owns:    borrows `stats`, `clock` and `stop` for the source's life.
  /// Errors:  kConfig for no or repeated groups, else kRuntime; nothing stays bound.
  static Result<std::unique_ptr<NflogSource>> Open(const NflogOptions& options, PumpStats* stats,
                                                   const Clock* clock, const StopEvent* stop);

  ReadStatus Read(PacketBatch* batch, Nanoseconds timeout) override;
  bool drained() const override { return drained_; }
  size_t BatchBytes() const override;

  /// Adjusts each group's batch size to the group's own rate, if so configured: a busy group does
  /// not make a quiet one wait.  Needs CAP_NET_ADMIN; without it the sizes stay as they are.
  void FollowRate(Nanoseconds now) override;

  /// Frees the groups; without CAP_NET_ADMIN, closes the socket to packets once the kernel has
  /// delivered what it had logged.
  void StopIntake() override;
  /// The netlink socket broke.
  bool failed() const override { return failed_; }

 private:
  struct Group {
    uint16_t number = 0;
    SourceStats* stats = nullptr;
    uint32_t next_sequence = 0;
    uint32_t threshold = 1;
    uint32_t previous_threshold = 1;  // in force again if the kernel refuses `threshold`
    GroupRate rate = {};
  };
  // What one datagram added to a group.
  struct Tally {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint64_t lost = 0;
    uint64_t no_payload = 0;
    uint64_t not_ip = 0;
  };

  // How far StopIntake() has come.
  enum class Intake {
    kOpen,
    kReleasing,  // the groups are freed as soon as the socket is not congested
    kFlushing,   // the kernel did not free them and is given until flushed_at_ to deliver
    kClosed,     // what is in the socket is all that comes
  };

  NflogSource(NflogSocket socket, const NflogOptions& options, PumpStats* stats, const Clock* clock,
              const StopEvent* stop);
  Status Bind(uint16_t number, const NflogGroupSettings& settings);
  int AwaitReply(uint32_t sequence);
  void Drain(PacketBatch* batch);
  bool Receive(std::span<uint8_t> room, std::span<const uint8_t>* datagram);
  void Take(std::span<const uint8_t> datagram, PacketBatch* batch);
  void TakePacket(const NflogRecord& record, PacketBatch* batch);
  void TakeRefusal(uint32_t sequence, int error_number);
  Nanoseconds Stamp(Nanoseconds kernel_timestamp);
  Group* FindGroup(uint16_t number);
  void ReleaseGroups();
  void GoOnStopping();
  void SettleTally();
  void ExportThreshold();

  NflogSocket socket_;
  bool follow_rate_;
  Nanoseconds batch_latency_;
  Nanoseconds flush_interval_;
  Intake intake_ = Intake::kOpen;
  bool congested_ = false;  // the kernel drops everything until the socket has been emptied
  bool drained_ = false;    // the last look found nothing
  bool ended_ = false;
  bool failed_ = false;
  PumpStats* stats_;
  const Clock* clock_;
  const StopEvent* stop_;

  Nanoseconds flushed_at_ = 0;  // monotonic

  std::vector<Group> groups_;
  Group* group_ = nullptr;  // that `tally_` is for
  Tally tally_;
  Nanoseconds datagram_time_ = 0;   // wall time for packets without a stamp; 0 until needed
  Nanoseconds last_timestamp_ = 0;  // of any group
  std::vector<std::vector<uint8_t>> early_;  // datagrams that came before Open() was done
  size_t early_taken_ = 0;
};

}  // namespace pcap_zmq
