// SPDX-License-Identifier: MIT
//
// What the two sources that go by way of libpcap have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/link_type.h"
#include "base/packet.h"
#include "base/result.h"
#include "base/stats.h"
#include "source/packet_source.h"

struct bpf_program;
struct pcap;
struct pcap_pkthdr;

namespace pcap_zmq {

/// Cuts frames from libpcap down to the IP packet, header and padding off; counts and drops what is
/// not IP.  Frames that the filter refuses are not captured, so not counted.
class PcapSource : public PacketSource {
 public:
  ~PcapSource() override;
  size_t BatchBytes() const override;

 protected:
  struct HandleCloser {
    void operator()(pcap* handle) const;
  };
  using Handle = std::unique_ptr<pcap, HandleCloser>;
  struct FilterFreer {
    void operator()(bpf_program* program) const;
  };
  using Filter = std::unique_ptr<bpf_program, FilterFreer>;

  /// The link type of `handle`'s frames, if IP packets can be cut out of them.
  static Result<LinkType> CheckLinkType(pcap* handle, const std::string& label);
  /// `expression` for `handle`'s link type; nullptr if it is empty.
  static Result<Filter> Compile(pcap* handle, const std::string& expression);

  /// Adds `label` to `stats->sources`.
  PcapSource(Handle handle, LinkType link_type, uint32_t snaplen, const std::string& label,
             PumpStats* stats);

  /// Counts one frame and appends its IP packet to `batch`, which must have room for any packet.
  void Take(const pcap_pkthdr& header, const uint8_t* frame, PacketBatch* batch);
  /// Whether `batch` has room for any packet.
  static bool HasRoom(PacketBatch* batch);
  Nanoseconds TimestampOf(const pcap_pkthdr& header) const;
  /// Moves what Take() counted to the stats that others read.
  void SettleTally();

  Handle handle_;
  PumpStats* stats_;
  SourceStats* source_;

 private:
  struct Tally {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint64_t not_ip = 0;
    uint64_t oversized = 0;
  };

  LinkType link_type_;
  uint32_t snaplen_;
  int64_t fraction_nanos_;  // unit of the timestamps' fraction
  Tally tally_;
};

}  // namespace pcap_zmq
