// SPDX-License-Identifier: MIT
#include "source/live_source.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "base/log.h"
#include "source/close_intake.h"
#include "source/wait_readable.h"

namespace pcap_zmq {
namespace {

// Frames taken in one Read(), so that small ones go on before many of them have come together.
constexpr int kMaxFrames = 1024;

// What stands before the IP header in the longest link layer that IpOffset() cuts, with VLAN tags.
constexpr uint32_t kLinkLayerAllowance = 64;

using ErrorText = std::array<char, PCAP_ERRBUF_SIZE>;

std::string ActivationAdvice(int code) {
  switch (code) {
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
      return ": CAP_NET_RAW is missing: run as root, or grant it (setcap cap_net_raw+ep, or docker "
             "run --cap-add NET_RAW)";
    case PCAP_ERROR_NO_SUCH_DEVICE:
      return ": no such interface (see: ip link)";
    case PCAP_ERROR_IFACE_NOT_UP:
      return ": the interface is down (try: ip link set it up)";
    default:
      return std::string(": ") + pcap_statustostr(code);
  }
}

Error ActivationError(pcap_t* handle, const std::string& interface, int code) {
  const std::string detail =
      code == PCAP_ERROR ? std::string(": ") + pcap_geterr(handle) : ActivationAdvice(code);
  return RuntimeError("cannot capture on " + interface + detail);
}

}  // namespace

LiveSource::LiveSource(Handle handle, LinkType link_type, const LiveOptions& options,
                       PumpStats* stats, const Clock* clock, const StopEvent* stop)
    : PcapSource(std::move(handle), link_type, options.snaplen, "pcap:" + options.interface, stats),
      label_("pcap:" + options.interface),
      clock_(clock),
      stop_(stop),
      losses_counted_at_(clock->MonotonicNow()) {}

Result<std::unique_ptr<LiveSource>> LiveSource::OpenLive(const LiveOptions& options,
                                                         PumpStats* stats, const Clock* clock,
                                                         const StopEvent* stop) {
  ErrorText error_text{};
  Handle handle(pcap_create(options.interface.c_str(), error_text.data()));
  if (handle == nullptr) {
    return RuntimeError("cannot capture on " + options.interface + ": " + error_text.data());
  }
  pcap_t* pcap = handle.get();
  const uint32_t frame_bytes = std::min(kMaxCapturedLength, options.snaplen + kLinkLayerAllowance);
  pcap_set_snaplen(pcap, static_cast<int>(frame_bytes));
  pcap_set_promisc(pcap, options.promiscuous ? 1 : 0);
  pcap_set_immediate_mode(pcap, 1);
  pcap_set_buffer_size(pcap,
                       static_cast<int>(std::min<uint64_t>(options.receive_buffer_bytes, INT_MAX)));
  // Where there are no nanoseconds it stays with microseconds, and says so when asked.
  pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
  const int code = pcap_activate(pcap);
  if (code < 0) {
    return ActivationError(pcap, options.interface, code);
  }
  const Result<LinkType> link_type = CheckLinkType(pcap, "interface " + options.interface);
  if (!link_type.ok()) {
    return link_type.error();
  }
  Result<Filter> filter = Compile(pcap, options.filter);
  if (!filter.ok()) {
    return filter.error();
  }
  if (filter.value() != nullptr && pcap_setfilter(pcap, filter.value().get()) != 0) {
    return ConfigError("filter \"" + options.filter + "\": " + pcap_geterr(pcap));
  }
  if (pcap_setnonblock(pcap, 1, error_text.data()) != 0) {
    return RuntimeError("cannot capture on " + options.interface + ": " + error_text.data());
  }
  auto source = std::unique_ptr<LiveSource>(
      new LiveSource(std::move(handle), link_type.value(), options, stats, clock, stop));
  if (!options.filter.empty()) {
    source->NewLosses();  // What found no room before the filter stood was not asked for.
  }
  return source;
}

ReadStatus LiveSource::Read(PacketBatch* batch, Nanoseconds timeout) {
  batch->Clear();
  Fill(batch);
  if (batch->empty() && !ended_ && timeout > 0 &&
      WaitReadable(pcap_get_selectable_fd(handle_.get()), *stop_, timeout)) {
    Fill(batch);
  }
  SettleTally();
  if (clock_->MonotonicNow() - losses_counted_at_ >= kNanosPerSecond || stop_->requested()) {
    CountLosses();
  }
  if (!batch->empty()) {
    return ReadStatus::kPackets;
  }
  return ended_ ? ReadStatus::kEnd : ReadStatus::kNothing;
}

void LiveSource::Fill(PacketBatch* batch) {
  for (int frames = 0; frames < kMaxFrames && !ended_ && HasRoom(batch); ++frames) {
    pcap_pkthdr* header = nullptr;
    const uint8_t* frame = nullptr;
    const int outcome = pcap_next_ex(handle_.get(), &header, &frame);
    if (outcome == 1) {
      Take(*header, frame, batch);
    } else if (outcome == 0) {
      ended_ = stopping_;
      return;
    } else {
      CountLosses();
      Log(LogLevel::kError, label_ + ": capture ended: " + pcap_geterr(handle_.get()));
      ended_ = true;
      failed_ = true;
    }
  }
}

void LiveSource::StopIntake() {
  if (ended_) {
    return;
  }
  CountLosses();
  // Not through libpcap, whose new filter would be applied to what is in the ring as well.
  stopping_ = true;
  ended_ = !CloseIntake(pcap_fileno(handle_.get()));
}

void LiveSource::CountLosses() {
  losses_counted_at_ = clock_->MonotonicNow();
  source_->kernel_lost_packets.Add(NewLosses());
}

uint32_t LiveSource::NewLosses() {
  pcap_stat totals{};
  if (pcap_stats(handle_.get(), &totals) != 0) {
    return 0;
  }
  const uint32_t losses = totals.ps_drop + totals.ps_ifdrop;
  const uint32_t more = losses - std::exchange(losses_seen_, losses);
  // The counters wrap; what looks like half their range is a driver that started anew.
  return more <= INT32_MAX ? more : 0;
}

}  // namespace pcap_zmq
