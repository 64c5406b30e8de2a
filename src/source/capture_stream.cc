// SPDX-License-Identifier: MIT
#include "source/capture_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/byte_io.h"
#include "source/wait_readable.h"

namespace pcap_zmq {
namespace {

constexpr size_t kChunk = size_t{64} * 1024;  // what a pipe holds by default
// Nothing that libpcap accepts is larger.
constexpr uint32_t kMaxRecord = 16 * 1024 * 1024;
// Blocks without a packet that are kept for libpcap until a packet follows.
constexpr size_t kMaxPrelude = size_t{16} * 1024 * 1024;

constexpr size_t kPcapHeader = 24;
constexpr size_t kPcapRecordHeader = 16;
constexpr uint16_t kOddVersion = 543;  // of some system's own tcpdump, says libpcap

constexpr uint32_t kSectionBlock = 0x0a0d0d0a;  // reads the same in both byte orders
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint32_t kOldPacketBlock = 2;
constexpr uint32_t kSimplePacketBlock = 3;
constexpr uint32_t kEnhancedPacketBlock = 6;
constexpr size_t kMinBlock = 12;

constexpr Nanoseconds kForever = -1;

}  // namespace

FILE* CaptureStream::OpenFile() {
  cookie_io_functions_t functions{};
  functions.read = ReadCookie;
  FILE* file = ::fopencookie(this, "r", functions);
  if (file != nullptr) {
    // A buffer of stdio's own would read beyond the packet that is ready.
    static_cast<void>(::setvbuf(file, nullptr, _IONBF, 0));
  }
  return file;
}

bool CaptureStream::Ready() {
  if (taken_ < ready_ || ended_ || format_ == Format::kOther) {
    return true;
  }
  FillIfReadable();
  return taken_ < ready_ || ended_ || format_ == Format::kOther;
}

void CaptureStream::Wait(Nanoseconds timeout) const {
  WaitReadable(fd_.get(), *stop_, timeout);
}

ssize_t CaptureStream::ReadCookie(void* cookie, char* to, size_t size) {
  auto* stream = static_cast<CaptureStream*>(cookie);
  while (stream->taken_ == stream->buffer_.size() && !stream->ended_) {
    if (!WaitReadable(stream->fd_.get(), *stream->stop_, kForever) && stream->stop_->requested()) {
      stream->ended_ = true;
    }
    stream->FillIfReadable();
  }
  const size_t n = std::min(size, stream->buffer_.size() - stream->taken_);
  if (n > 0) {
    std::memcpy(to, stream->buffer_.data() + stream->taken_, n);
    stream->taken_ += n;
  }
  return static_cast<ssize_t>(n);
}

// One read, and only of bytes that are there: the descriptor may be shared with other processes, so
// it stays in the mode that it is in.
void CaptureStream::FillIfReadable() {
  if (ended_ || !WaitReadable(fd_.get(), *stop_, 0)) {
    return;
  }
  // Bytes that are still to be scanned stay even when libpcap has read them.
  const size_t done = format_ == Format::kOther ? taken_ : std::min(taken_, scanned_);
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(done));
  taken_ -= done;
  scanned_ -= std::min(scanned_, done);
  ready_ -= std::min(ready_, done);
  const size_t had = buffer_.size();
  buffer_.resize(had + kChunk);
  const ssize_t got = ::read(fd_.get(), buffer_.data() + had, kChunk);
  const int error_number = errno;
  buffer_.resize(had + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got == 0 || (got < 0 && error_number != EAGAIN && error_number != EINTR)) {
    ended_ = true;
  }
  Scan();
}

void CaptureStream::Scan() {
  if (format_ == Format::kUnknown) {
    ScanFormat();
  }
  bool more = true;
  while (more) {
    switch (format_) {
      case Format::kPcap:
        more = ScanRecord();
        break;
      case Format::kPcapng:
        more = ScanBlock();
        break;
      default:
        more = false;
        break;
    }
  }
}

void CaptureStream::ScanFormat() {
  if (buffer_.size() < sizeof(uint32_t)) {
    return;
  }
  const uint32_t magic = LoadNative<uint32_t>(buffer_.data());
  if (magic == kSectionBlock) {
    format_ = Format::kPcapng;
    return;
  }
  const bool ours = magic == 0xa1b2c3d4 || magic == 0xa1b23c4d;
  const uint32_t other = ByteSwap(magic);
  swapped_ = other == 0xa1b2c3d4 || other == 0xa1b23c4d;
  if (!ours && !swapped_) {
    format_ = Format::kOther;
  } else if (buffer_.size() >= kPcapHeader) {
    const auto major = Load16(4);
    const auto minor = Load16(6);
    if (major == kOddVersion || (major == 2 && minor < 3)) {
      lengths_ = Lengths::kCapturedSecond;
    } else if (major == 2 && minor == 3) {
      lengths_ = Lengths::kCapturedIsSmaller;
    }
    format_ = Format::kPcap;
    scanned_ = kPcapHeader;
  }
}

uint16_t CaptureStream::Load16(size_t at) const {
  const auto value = LoadNative<uint16_t>(buffer_.data() + scanned_ + at);
  return swapped_ ? ByteSwap(value) : value;
}

uint32_t CaptureStream::Load32(size_t at) const {
  const uint32_t value = LoadNative<uint32_t>(buffer_.data() + scanned_ + at);
  return swapped_ ? ByteSwap(value) : value;
}

// Of the record at scanned_.
uint32_t CaptureStream::CapturedLength() const {
  const uint32_t first = Load32(8);
  const uint32_t second = Load32(12);
  switch (lengths_) {
    case Lengths::kCapturedFirst:
      return first;
    case Lengths::kCapturedSecond:
      return second;
    case Lengths::kCapturedIsSmaller:
      break;
  }
  return std::min(first, second);
}

// False when the record at scanned_ is not whole.
bool CaptureStream::ScanRecord() {
  if (unscanned() < kPcapRecordHeader) {
    return false;
  }
  const uint32_t captured = CapturedLength();
  if (captured > kMaxRecord) {
    format_ = Format::kOther;
    return false;
  }
  if (unscanned() < kPcapRecordHeader + captured) {
    return false;
  }
  scanned_ += kPcapRecordHeader + captured;
  ready_ = scanned_;
  return true;
}

bool CaptureStream::ScanBlock() {
  if (unscanned() < kMinBlock) {
    return false;
  }
  if (Load32(0) == kSectionBlock) {
    // Each section may be of another byte order.
    swapped_ = LoadNative<uint32_t>(buffer_.data() + scanned_ + 8) != kByteOrderMagic;
  }
  const uint32_t type = Load32(0);
  const uint32_t length = Load32(4);
  if (length < kMinBlock || length > kMaxRecord) {
    format_ = Format::kOther;
    return false;
  }
  if (unscanned() < length) {
    return false;
  }
  scanned_ += length;
  // A capture of nothing but comments must not fill the memory: better that libpcap reads them and
  // waits for the packet.
  if (type == kEnhancedPacketBlock || type == kSimplePacketBlock || type == kOldPacketBlock ||
      scanned_ - std::min(scanned_, std::max(taken_, ready_)) > kMaxPrelude) {
    ready_ = scanned_;
  }
  return true;
}

}  // namespace pcap_zmq
