// SPDX-License-Identifier: MIT
//
// Any bytes as a capture, read from a file and from a pipe that gives them in pieces: every packet
// is sound, and both ways give the same.
//
// Input: a byte of options, a byte with the length of the pieces, a byte with that of the first one
// in units of 32 bytes, then the capture.
//
// The stop event is raised from the start.  So a pipe whose next packet was taken for complete when
// it was not does not wait: the capture ends there, and the packets behind that are missed.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "source/file_source.h"
#include "tests/fuzz/fuzz_support.h"
#include "tests/support/fake_clock.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::FuzzInput;
using testing::Require;

constexpr uint32_t kShortSnaplen = 60;

struct KeptPacket {
  Nanoseconds timestamp = 0;
  uint32_t original_length = 0;
  Bytes bytes;
  bool operator==(const KeptPacket&) const = default;
};

// A source of one capture, with all that it needs, and what came out of it.
class Reading {
 public:
  Reading(const UniqueFd& fd, CaptureFileOptions options) : snaplen_(options.snaplen) {
    stop_.Request(0);
    options.path = "/proc/self/fd/" + std::to_string(fd.get());
    auto source = FileSource::OpenFile(options, &stats_, &clock_, &stop_);
    if (source.ok()) {
      source_ = source.Take();
      // Of both readings and all inputs, as filling it with zeros takes longer than all the rest.
      static PacketBatch batch(source_->BatchBytes());
      batch_ = &batch;
    } else {
      Require(!source.error().message.empty(), "a refusal has a reason");
    }
  }

  bool opened() const { return source_ != nullptr; }
  const std::vector<KeptPacket>& packets() const { return packets_; }

  // Takes what is there; true at the end.
  bool ReadWhatIsThere() {
    ReadStatus status = ReadStatus::kPackets;
    while (status == ReadStatus::kPackets) {
      status = source_->Read(batch_, 0);
      Require(batch_->empty() == (status != ReadStatus::kPackets), "packets, or another outcome");
      Keep();
    }
    return status == ReadStatus::kEnd;
  }

  // A file's frames without IP may fill more than one look.
  void ReadToEnd(size_t size) {
    bool ended = false;
    for (size_t looks = 0; looks <= size && !ended; ++looks) {
      ended = ReadWhatIsThere();
    }
    Require(ended, "every capture comes to an end");
    Require(source_->Read(batch_, 0) == ReadStatus::kEnd, "the end is the end");
  }

  // captured = handed on + dropped
  void CheckLaw() const {
    Require(Captured() == packets_.size() + stats_.dropped.Total(), "every packet is counted");
    Require(stats_.dropped.Total() == stats_.dropped.Value(DropReason::kLinkType) +
                                          stats_.dropped.Value(DropReason::kOversized),
            "for one of two reasons");
  }

  uint64_t Captured() const { return stats_.sources.front().captured_packets.Value(); }
  uint64_t CapturedBytes() const { return stats_.sources.front().captured_bytes.Value(); }
  double Progress() const { return source_->Progress(); }

 private:
  void Keep() {
    for (const Packet& packet : batch_->packets()) {
      const std::span<const uint8_t> bytes(packet.data, packet.captured_length);
      Require(!bytes.empty() && bytes.size() <= snaplen_, "a packet has 1 to snaplen bytes");
      Require(bytes[0] >> 4 == 4 || bytes[0] >> 4 == 6, "a packet is IP");
      Require(packet.original_length >= packet.captured_length, "nothing was added to a packet");
      Require(packet.timestamp >= 0 && packet.timestamp / kNanosPerSecond <= UINT32_MAX,
              "the timestamp fits a capture record");
      packets_.push_back({packet.timestamp, packet.original_length, {bytes.begin(), bytes.end()}});
    }
  }

  const uint32_t snaplen_;
  PumpStats stats_;
  testing::FakeClock clock_;
  StopEvent stop_;
  std::unique_ptr<FileSource> source_;
  PacketBatch* batch_ = nullptr;
  std::vector<KeptPacket> packets_;
};

void WriteAll(int fd, std::span<const uint8_t> bytes) {
  Require(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
          "there is room for the capture");
}

// The formats of which the pipe's reader knows where a packet ends.
bool PacketsCanBeTold(std::span<const uint8_t> capture) {
  if (capture.size() < sizeof(uint32_t)) {
    return false;
  }
  for (const uint32_t magic : {0xa1b2c3d4U, 0xa1b23c4dU, 0x0a0d0d0aU}) {
    const uint32_t found = LoadNative<uint32_t>(capture.data());
    if (found == magic || ByteSwap(found) == magic) {
      return true;
    }
  }
  return false;
}

void CheckPipe(std::span<const uint8_t> capture, const CaptureFileOptions& options, size_t first,
               size_t piece, const Reading& file) {
  int ends[2];
  Require(::pipe2(ends, O_CLOEXEC) == 0, "there are descriptors");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  WriteAll(writer.get(), capture.first(first));
  Reading pipe(reader, options);
  if (!pipe.opened()) {
    Require(!file.opened() || first < capture.size(), "what opens as a file opens as a pipe");
    return;
  }
  for (size_t at = first; at < capture.size() && !pipe.ReadWhatIsThere(); at += piece) {
    WriteAll(writer.get(), capture.subspan(at, std::min(piece, capture.size() - at)));
  }
  writer.Reset();
  pipe.ReadToEnd(capture.size());
  pipe.CheckLaw();
  Require(file.opened(), "what opens as a pipe opens as a file");
  if (PacketsCanBeTold(capture)) {
    Require(pipe.packets() == file.packets(), "a pipe gives what a file gives");
    Require(pipe.Captured() == file.Captured() && pipe.CapturedBytes() == file.CapturedBytes(),
            "a pipe counts what a file counts");
  } else {
    const size_t count = pipe.packets().size();
    Require(count <= file.packets().size() &&
                std::equal(pipe.packets().begin(), pipe.packets().end(), file.packets().begin()),
            "a pipe gives the beginning of what a file gives");
  }
}

}  // namespace
}  // namespace pcap_zmq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pcap_zmq;
  FuzzInput input(data, size);
  const uint64_t choices = input.Number(1);
  const size_t piece = input.Number(1) + 1;
  const size_t first = (input.Number(1) + 1) * 32;
  const auto capture = input.Take(size);
  CaptureFileOptions options;
  options.snaplen = (choices & 1) != 0 ? kShortSnaplen : options.snaplen;
  options.filter = (choices & 2) != 0 ? "udp or ip6" : "";

  const UniqueFd memory(::memfd_create("capture", MFD_CLOEXEC));
  WriteAll(memory.get(), capture);
  Reading file(memory, options);
  if (file.opened()) {
    file.ReadToEnd(capture.size());
    file.CheckLaw();
    Require(file.Progress() == 1, "at the end all has been read");
  }
  CheckPipe(capture, options, std::min(first, capture.size()), piece, file);
  return 0;
}
