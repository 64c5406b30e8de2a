// SPDX-License-Identifier: MIT
#include "sink/file_sink.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "sink/capture_file.h"

namespace pcap_zmq {
namespace {

std::string Reason(int error) {
  return std::strerror(error);  // NOLINT: messages of known errors are static
}

}  // namespace

Result<std::unique_ptr<FileSink>> FileSink::Open(const FileSinkOptions& options, SinkStats* stats,
                                                 const Clock* clock) {
  if (options.path.empty()) {
    return ConfigError("the output's path is empty; write file:PATH");
  }
  auto fd = OpenCaptureFile(options.path, options.mode);
  if (!fd.ok()) {
    return fd.error();
  }
  std::unique_ptr<FileSink> sink(new FileSink(options, fd.Take(), stats, clock));
  const FileHeaderBytes header = FileHeader(options.link_type);
  int error = 0;
  if (sink->WriteAtEnd(header, &error) != header.size()) {
    return RuntimeError("cannot write to the file " + options.path + ": " + Reason(error));
  }
  sink->size_ = header.size();
  stats->delivered_bytes.Add(header.size());
  return sink;
}

FileSink::FileSink(const FileSinkOptions& options, UniqueFd fd, SinkStats* stats,
                   const Clock* clock)
    : path_(options.path),
      fd_(std::move(fd)),
      stats_(stats),
      clock_(clock),
      converter_(options.link_type) {}

FileSink::~FileSink() {
  Finish();
}

size_t FileSink::WriteAtEnd(std::span<const uint8_t> bytes, int* error) {
  size_t done = 0;
  while (done < bytes.size()) {
    // At an explicit offset, so that a part of a record that could not be cut off is overwritten.
    const ssize_t written = ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                                     static_cast<off_t>(size_ + done));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      *error = written < 0 ? errno : ENOSPC;
      break;
    }
    done += static_cast<size_t>(written);
  }
  return done;
}

void FileSink::Deliver(RecordBlockPtr block) {
  uint64_t unconvertible = 0;
  block = converter_.Convert(std::move(block), &unconvertible);
  stats_->dropped.Add(SinkDropReason::kLinkType, unconvertible);
  if (block->packet_count == 0) {
    return;
  }
  if (!fd_.valid()) {
    stats_->dropped.Add(SinkDropReason::kShutdown, block->packet_count);
    return;
  }
  int error = 0;
  const size_t written = WriteAtEnd(block->records, &error);
  RecordBoundary kept{written, block->packet_count};
  if (written < block->records.size()) {
    kept = LastBoundary(block->records, written);
    // Failing that, the rest stays behind the capture's end until it is overwritten.
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(size_ + kept.bytes));
    NoteFailure(error, block->packet_count - kept.packets);
  } else {
    NoteSuccess();
  }
  size_ += kept.bytes;
  stats_->delivered_bytes.Add(kept.bytes);
  stats_->delivered_packets.Add(kept.packets);
  stats_->delivery.Observe(clock_->WallNow() - block->oldest_timestamp, kept.packets);
  stats_->heartbeat.Beat(clock_->MonotonicNow());
}

void FileSink::NoteFailure(int error, uint64_t lost_packets) {
  stats_->dropped.Add(SinkDropReason::kWriteError, lost_packets);
  lost_in_episode_ += lost_packets;
  if (usable_.exchange(false, std::memory_order_relaxed)) {
    Log(LogLevel::kError, "cannot write to " + path_ + ": " + Reason(error) +
                              "; packets are dropped until it takes them again");
  }
}

void FileSink::NoteSuccess() {
  if (!usable_.load(std::memory_order_relaxed)) {
    usable_.store(true, std::memory_order_relaxed);
    Log(LogLevel::kInfo,
        path_ + " takes packets again; " + std::to_string(lost_in_episode_) + " were dropped");
    lost_in_episode_ = 0;
  }
}

void FileSink::Finish() {
  if (!fd_.valid()) {
    return;
  }
  // A network file system may report a failed write only here.
  if (::close(fd_.Release()) != 0) {
    const int error = errno;
    Log(LogLevel::kError,
        "closing " + path_ + " failed: " + Reason(error) + "; its last packets may be missing");
  }
}

}  // namespace pcap_zmq
