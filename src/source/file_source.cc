// SPDX-License-Identifier: MIT
#include "source/file_source.h"

#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "base/log.h"
#include "base/unique_fd.h"
#include "source/capture_stream.h"
#include "source/wait_readable.h"

namespace pcap_zmq {
namespace {

// Frames looked at in one Read(), so that a stop is noticed in a file of which the filter takes
// nothing.
constexpr int kMaxFrames = 4096;

// No packet is due before data comes.
constexpr Nanoseconds kUntilData = std::numeric_limits<Nanoseconds>::max();

using ErrorText = std::array<char, PCAP_ERRBUF_SIZE>;

}  // namespace

struct FileSource::Input {
  std::unique_ptr<CaptureStream> stream;  // outlives the handle that reads from it
  Handle handle;
  uint64_t file_bytes = 0;
};

FileSource::FileSource(Input input, LinkType link_type, Filter filter,
                       const CaptureFileOptions& options, PumpStats* stats, const Clock* clock,
                       const StopEvent* stop)
    : PcapSource(std::move(input.handle), link_type, options.snaplen, "file:" + options.path,
                 stats),
      label_("file:" + options.path),
      replay_speed_(options.replay_speed),
      clock_(clock),
      stop_(stop),
      stream_(std::move(input.stream)),
      filter_(std::move(filter)),
      file_bytes_(input.file_bytes) {}

FileSource::~FileSource() {
  // Before the stream that it reads from.
  handle_.reset();
}

Result<FileSource::Input> FileSource::OpenInput(const std::string& path, const StopEvent* stop) {
  const std::string failed = "cannot read capture " + (path == "-" ? "from stdin" : path) + ": ";
  // Without O_NONBLOCK a FIFO would be opened only when its writer comes, whatever stop says.
  UniqueFd fd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                          : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    const int error_number = errno;
    return ConfigError(failed + std::strerror(error_number));  // NOLINT(concurrency-mt-unsafe)
  }
  if (S_ISDIR(status.st_mode)) {
    return ConfigError(failed + "it is a directory");
  }
  Input input;
  FILE* file = nullptr;
  if (S_ISREG(status.st_mode)) {
    input.file_bytes = static_cast<uint64_t>(status.st_size);
    file = ::fdopen(fd.get(), "rb");
    if (file != nullptr) {
      fd.Release();
    }
  } else {
    input.stream = std::make_unique<CaptureStream>(std::move(fd), stop);
    file = input.stream->OpenFile();
  }
  if (file == nullptr) {
    const int error_number = errno;
    return RuntimeError(failed + std::strerror(error_number));  // NOLINT(concurrency-mt-unsafe)
  }
  ErrorText error_text{};
  input.handle.reset(pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO,
                                                              error_text.data()));
  if (input.handle == nullptr) {
    static_cast<void>(std::fclose(file));
    return ConfigError(failed + error_text.data());
  }
  return input;
}

Result<std::unique_ptr<FileSource>> FileSource::OpenFile(const CaptureFileOptions& options,
                                                         PumpStats* stats, const Clock* clock,
                                                         const StopEvent* stop) {
  if (!std::isfinite(options.replay_speed) || options.replay_speed < 0) {
    return ConfigError("the replay speed must be a positive number, or 0 for no pacing");
  }
  Result<Input> input = OpenInput(options.path, stop);
  if (!input.ok()) {
    return input.error();
  }
  pcap_t* handle = input.value().handle.get();
  const Result<LinkType> link_type = CheckLinkType(handle, "capture " + options.path);
  if (!link_type.ok()) {
    return link_type.error();
  }
  Result<Filter> filter = Compile(handle, options.filter);
  if (!filter.ok()) {
    return filter.error();
  }
  return std::unique_ptr<FileSource>(
      new FileSource(input.Take(), link_type.value(), filter.Take(), options, stats, clock, stop));
}

double FileSource::Progress() const {
  if (stream_ != nullptr) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto read = static_cast<double>(read_bytes_.load(std::memory_order_relaxed));
  return file_bytes_ == 0 ? 1 : std::min(1.0, read / static_cast<double>(file_bytes_));
}

ReadStatus FileSource::Read(PacketBatch* batch, Nanoseconds timeout) {
  batch->Clear();
  const Nanoseconds wait = Fill(batch);
  if (batch->empty() && wait > 0 && timeout > 0) {
    Wait(std::min(wait, timeout));
    Fill(batch);
  }
  SettleTally();
  if (stream_ == nullptr) {
    const long at = std::ftell(pcap_file(handle_.get()));  // NOLINT(runtime/int)
    read_bytes_.store(ended_ || at < 0 ? file_bytes_ : static_cast<uint64_t>(at),
                      std::memory_order_relaxed);
  }
  if (!batch->empty()) {
    return ReadStatus::kPackets;
  }
  return ended_ ? ReadStatus::kEnd : ReadStatus::kNothing;
}

// How long to wait for the next packet when `batch` could not be filled; 0 if it could, or if
// nothing more comes.
Nanoseconds FileSource::Fill(PacketBatch* batch) {
  for (int frames = 0; frames < kMaxFrames && !ended_ && HasRoom(batch); ++frames) {
    if (!held_ && stream_ != nullptr && !stream_->Ready()) {
      return kUntilData;
    }
    if (!held_ && !Next()) {
      return 0;
    }
    if (Matches()) {
      const Nanoseconds wait = UntilDue();
      if (wait > 0) {
        return wait;
      }
      Take(*header_, frame_, batch);
    }
    held_ = false;
  }
  return 0;
}

bool FileSource::Next() {
  const int outcome = pcap_next_ex(handle_.get(), &header_, &frame_);
  held_ = outcome == 1;
  ended_ = !held_;
  if (outcome == PCAP_ERROR) {
    Log(LogLevel::kWarning,
        label_ + ": the capture is damaged and ends early: " + pcap_geterr(handle_.get()));
  }
  return held_;
}

bool FileSource::Matches() const {
  return filter_ == nullptr || pcap_offline_filter(filter_.get(), header_, frame_) != 0;
}

// Of the packet that is held.
Nanoseconds FileSource::UntilDue() {
  if (replay_speed_ == 0) {
    return 0;
  }
  const Nanoseconds timestamp = TimestampOf(*header_);
  const Nanoseconds now = clock_->MonotonicNow();
  if (!std::exchange(started_, true)) {
    first_timestamp_ = timestamp;
    started_at_ = now;
  }
  const double due = static_cast<double>(timestamp - first_timestamp_) / replay_speed_;
  const double left = due - static_cast<double>(now - started_at_);
  constexpr double kLongest = 1e18;
  return left <= 0 ? 0 : static_cast<Nanoseconds>(std::ceil(std::min(left, kLongest)));
}

void FileSource::Wait(Nanoseconds timeout) const {
  if (held_) {
    WaitReadable(-1, *stop_, timeout);
  } else {
    stream_->Wait(timeout);
  }
}

}  // namespace pcap_zmq
