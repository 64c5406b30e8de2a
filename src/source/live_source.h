// SPDX-License-Identifier: MIT
//
// Packets from a network interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/packet.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "source/pcap_source.h"

namespace pcap_zmq {

struct LiveOptions {
  std::string interface = {};
  std::string filter = {};    ///< BPF expression; empty takes everything
  uint32_t snaplen = 65'535;  ///< bytes of each IP packet
  bool promiscuous = true;
  uint64_t receive_buffer_bytes = uint64_t{64} * 1024 * 1024;
};

/// A network interface, captured with nanosecond stamps where the system has them.  Losses come
/// from the kernel's own count, asked for once a second.
/// Threads: one pump.
class LiveSource final : public PcapSource {
 public:
  /// Starts the capture and adds it as "pcap:INTERFACE" to `stats->sources`.
  /// Owns:    borrows `stats`, `clock` and `stop` for the source's life.
  /// Errors:  kConfig for the filter and for link types that cannot be cut to IP, else kRuntime.
  static Result<std::unique_ptr<LiveSource>> OpenLive(const LiveOptions& options, PumpStats* stats,
                                                      const Clock* clock, const StopEvent* stop);

  ReadStatus Read(PacketBatch* batch, Nanoseconds timeout) override;
  void StopIntake() override;
  /// The interface went away.
  bool failed() const override { return failed_; }

 private:
  LiveSource(Handle handle, LinkType link_type, const LiveOptions& options, PumpStats* stats,
             const Clock* clock, const StopEvent* stop);
  void Fill(PacketBatch* batch);
  void CountLosses();
  uint32_t NewLosses();

  const std::string label_;
  const Clock* clock_;
  const StopEvent* stop_;
  Nanoseconds losses_counted_at_;
  uint32_t losses_seen_ = 0;
  bool stopping_ = false;
  bool ended_ = false;
  bool failed_ = false;
};

}  // namespace pcap_zmq
