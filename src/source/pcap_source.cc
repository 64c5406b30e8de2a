// SPDX-License-Identifier: MIT
#include "source/pcap_source.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/ip_header.h"

namespace pcap_zmq {
namespace {

// Frames are read while the largest packet would still fit, so this holds at least one half full.
constexpr size_t kArenaBytes = size_t{2} * kMaxCapturedLength;

}  // namespace

PcapSource::PcapSource(Handle handle, LinkType link_type, uint32_t snaplen,
                       const std::string& label, PumpStats* stats)
    : handle_(std::move(handle)),
      stats_(stats),
      source_(&stats->sources.emplace_back(label)),
      link_type_(link_type),
      snaplen_(snaplen),
      fraction_nanos_(pcap_get_tstamp_precision(handle_.get()) == PCAP_TSTAMP_PRECISION_NANO
                          ? 1
                          : kNanosPerMicro) {}

PcapSource::~PcapSource() = default;

void PcapSource::HandleCloser::operator()(pcap* handle) const {
  pcap_close(handle);
}

void PcapSource::FilterFreer::operator()(bpf_program* program) const {
  pcap_freecode(program);
  delete program;
}

size_t PcapSource::BatchBytes() const {
  return kArenaBytes;
}

Result<LinkType> PcapSource::CheckLinkType(pcap* handle, const std::string& label) {
  const int dlt = pcap_datalink(handle);
  // Capture files say 101, libpcap says what this system calls it.
  const auto link_type = dlt == DLT_RAW ? LinkType::kRaw : static_cast<LinkType>(dlt);
  if (CanCutToIp(link_type)) {
    return link_type;
  }
  const char* name = pcap_datalink_val_to_name(dlt);
  return ConfigError(
      label + " has link type " + (name != nullptr ? name : "number " + std::to_string(dlt)) +
      ", in which IP packets cannot be found; Ethernet, Linux cooked, null, loopback "
      "and raw IP captures can be read");
}

Result<PcapSource::Filter> PcapSource::Compile(pcap* handle, const std::string& expression) {
  if (expression.empty()) {
    return Filter();
  }
  auto program = std::make_unique<bpf_program>();
  if (pcap_compile(handle, program.get(), expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return ConfigError("filter \"" + expression + "\": " + pcap_geterr(handle));
  }
  return Filter(program.release());
}

bool PcapSource::HasRoom(PacketBatch* batch) {
  return batch->arena().size() >= batch->captured_bytes() + kMaxCapturedLength;
}

Nanoseconds PcapSource::TimestampOf(const pcap_pkthdr& header) const {
  // Frames carry 32 bits of seconds; what a damaged file has beyond them must not overflow.
  const int64_t seconds = std::clamp<int64_t>(header.ts.tv_sec, 0, UINT32_MAX);
  const int64_t fraction =
      std::clamp<int64_t>(header.ts.tv_usec * fraction_nanos_, 0, kNanosPerSecond - 1);
  return seconds * kNanosPerSecond + fraction;
}

void PcapSource::Take(const pcap_pkthdr& header, const uint8_t* frame, PacketBatch* batch) {
  ++tally_.packets;
  const std::optional<size_t> offset = IpOffset(link_type_, frame, header.caplen);
  if (!offset.has_value()) {
    tally_.bytes += header.caplen;
    ++tally_.not_ip;
    return;
  }
  const auto cut = static_cast<uint32_t>(*offset);
  const uint32_t whole = header.caplen - cut;
  uint32_t original = std::max(header.len, header.caplen) - cut;
  // Only a link layer pads.
  if (cut > 0) {
    original = LengthWithoutPadding(frame + cut, whole, original);
  }
  const uint32_t available = std::min(whole, original);
  if (available > kMaxCapturedLength) {
    tally_.bytes += available;
    ++tally_.oversized;
    return;
  }
  const uint32_t captured = std::min(available, snaplen_);
  tally_.bytes += captured;
  batch->Append({.timestamp = TimestampOf(header),
                 .data = frame + cut,
                 .captured_length = captured,
                 .original_length = original});
}

void PcapSource::SettleTally() {
  source_->captured_packets.Add(tally_.packets);
  source_->captured_bytes.Add(tally_.bytes);
  stats_->dropped.Add(DropReason::kLinkType, tally_.not_ip);
  stats_->dropped.Add(DropReason::kOversized, tally_.oversized);
  tally_ = {};
}

}  // namespace pcap_zmq
