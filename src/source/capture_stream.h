// SPDX-License-Identifier: MIT
//
// A capture that arrives through a pipe, made readable without blocking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"

namespace pcap_zmq {

/// Stands between a pipe and libpcap, which reads with stdio and would block in the middle of a
/// packet that its writer has begun and not finished.
///
/// It follows the capture's records (pcap) or blocks (pcapng) only as far as their lengths, to know
/// when a whole packet is there.  Bytes that are no capture count as ready, so that libpcap names
/// what is wrong with them.
/// Threads: one owner.
class CaptureStream {
 public:
  /// Takes `fd`, open for reading; borrows `stop`.
  CaptureStream(UniqueFd fd, const StopEvent* stop) : fd_(std::move(fd)), stop_(stop) {}
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  /// An unbuffered stdio stream over this object, which must outlive it.  Reading beyond what is
  /// ready waits for the writer, and ends when the stop event is raised.
  /// Owns:    the caller closes it; nullptr when memory is short.
  FILE* OpenFile();

  /// Whether libpcap can read a packet, or reach the end, without waiting.
  bool Ready();

  /// Waits for more bytes, at most `timeout`, or until the stop event is raised.
  void Wait(Nanoseconds timeout) const;

 private:
  enum class Format { kUnknown, kPcap, kPcapng, kOther };
  // Where the captured length of a pcap record stands; writers once disagreed.
  enum class Lengths { kCapturedFirst, kCapturedSecond, kCapturedIsSmaller };

  static ssize_t ReadCookie(void* cookie, char* to, size_t size);
  void FillIfReadable();
  void Scan();
  void ScanFormat();
  bool ScanRecord();
  bool ScanBlock();
  uint16_t Load16(size_t at) const;
  uint32_t Load32(size_t at) const;
  uint32_t CapturedLength() const;
  size_t unscanned() const { return buffer_.size() - scanned_; }

  UniqueFd fd_;
  const StopEvent* stop_;
  std::vector<uint8_t> buffer_;
  size_t taken_ = 0;    // bytes of buffer_ that libpcap has read
  size_t scanned_ = 0;  // bytes of buffer_ in whole records
  size_t ready_ = 0;    // bytes of buffer_ up to the last whole packet
  Format format_ = Format::kUnknown;
  Lengths lengths_ = Lengths::kCapturedFirst;
  bool swapped_ = false;  // the writer's byte order is not ours
  bool ended_ = false;
};

}  // namespace pcap_zmq
