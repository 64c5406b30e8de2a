// SPDX-License-Identifier: MIT
//
// Reads a capture from a FIFO as an IDS would and measures how old its packets are.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/byte_io.h"
#include "tests/bench/bench_support.h"
#include "tests/bench/load_mark.h"

namespace pcap_zmq::bench {
namespace {

constexpr size_t kFileHeaderBytes = 24;
constexpr size_t kRecordHeaderBytes = 16;
constexpr size_t kMarkWithin = 256;  // bytes of a record before its payload, at most
constexpr size_t kReadBytes = size_t{1} << 20;
constexpr uint32_t kMagicMicroseconds = 0xa1b2c3d4;
constexpr uint32_t kMagicNanoseconds = 0xa1b23c4d;

// Counts of values, apart by at most 1.6 %: 64 steps between two powers of two.
class Histogram {
 public:
  void Add(uint64_t value) {
    ++counts_[Index(value)];
    ++total_;
    sum_ += value;
    largest_ = std::max(largest_, value);
  }
  uint64_t Quantile(double part) const {
    const auto rank = static_cast<uint64_t>(part * static_cast<double>(total_));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) {
        return Middle(i);
      }
    }
    return largest_;
  }
  uint64_t total() const { return total_; }
  uint64_t largest() const { return largest_; }
  uint64_t mean() const { return total_ == 0 ? 0 : sum_ / total_; }

 private:
  static constexpr unsigned kStepBits = 6;

  static size_t Index(uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= kStepBits + 1) {
      return value;
    }
    const unsigned shift = width - kStepBits - 1;
    return (size_t{shift} << kStepBits) + (value >> shift);
  }
  static uint64_t Middle(size_t index) {
    if (index < (size_t{2} << kStepBits)) {
      return index;
    }
    const size_t shift = (index >> kStepBits) - 1;
    const uint64_t low = (index - (shift << kStepBits)) << shift;
    return low + (uint64_t{1} << shift) / 2;
  }

  std::array<uint64_t, (64 << kStepBits)> counts_{};
  uint64_t total_ = 0;
  uint64_t sum_ = 0;
  uint64_t largest_ = 0;
};

class Meter {
 public:
  // Takes what was read at `now`; returns how many of the bytes are done with.
  size_t Take(const uint8_t* bytes, size_t size, uint64_t now) {
    size_t at = 0;
    if (!in_records_) {
      if (size < kFileHeaderBytes) {
        return 0;
      }
      const auto magic = LoadLe<uint32_t>(bytes);
      if (magic != kMagicMicroseconds && magic != kMagicNanoseconds) {
        errno = EINVAL;
        Fail("what comes is not a little-endian capture");
      }
      in_records_ = true;
      at = kFileHeaderBytes;
    }
    while (size - at >= kRecordHeaderBytes) {
      const size_t captured = LoadLe<uint32_t>(bytes + at + 8);
      if (size - at - kRecordHeaderBytes < captured) {
        break;
      }
      TakePacket(bytes + at + kRecordHeaderBytes, captured, now);
      at += kRecordHeaderBytes + captured;
    }
    bytes_ += at;
    return at;
  }

  void Print() {
    const uint64_t now = MonotonicNow();
    std::printf(
        "{\"packets\": %llu, \"bytes\": %llu, \"foreign\": %llu, \"p50_ns\": %llu, \"p99_ns\": "
        "%llu, \"max_ns\": %llu, \"mean_ns\": %llu, \"seconds\": %.6f}\n",
        Wide(age_.total()), Wide(bytes_), Wide(foreign_), Wide(age_.Quantile(0.5)),
        Wide(age_.Quantile(0.99)), Wide(age_.largest()), Wide(age_.mean()),
        static_cast<double>(now - since_) / 1e9);
    std::fflush(stdout);
    age_ = {};
    bytes_ = 0;
    foreign_ = 0;
    since_ = now;
  }

 private:
  static unsigned long long Wide(uint64_t value) { return value; }

  void TakePacket(const uint8_t* packet, size_t size, uint64_t now) {
    // Where the mark is depends on the link type alone.
    if (size < mark_at_ + kLoadMarkBytes || LoadLe<uint64_t>(packet + mark_at_) != kLoadMagic) {
      size_t at = 0;
      while (at + kLoadMarkBytes <= size && at < kMarkWithin &&
             LoadLe<uint64_t>(packet + at) != kLoadMagic) {
        ++at;
      }
      if (at + kLoadMarkBytes > size || at == kMarkWithin) {
        ++foreign_;
        return;
      }
      mark_at_ = at;
    }
    age_.Add(now - LoadLe<uint64_t>(packet + mark_at_ + 8));
  }

  bool in_records_ = false;
  size_t mark_at_ = 28;
  Histogram age_;
  uint64_t bytes_ = 0;
  uint64_t foreign_ = 0;
  uint64_t since_ = MonotonicNow();
};

int Run(const Arguments& arguments) {
  HandleSignals();
  const int fd = ::open(arguments.positional[0].c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (stop_requested != 0) {
      return 0;
    }
    Fail("cannot open " + arguments.positional[0]);
  }
  ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(kReadBytes));
  Meter meter;
  std::vector<uint8_t> buffer(2 * kReadBytes);
  size_t filled = 0;
  while (stop_requested == 0) {
    const ssize_t got = ::read(fd, buffer.data() + filled, kReadBytes);
    if (got == 0) {
      break;
    }
    if (got > 0) {
      const uint64_t now = MonotonicNow();
      filled += static_cast<size_t>(got);
      const size_t used = meter.Take(buffer.data(), filled, now);
      filled -= used;
      std::memmove(buffer.data(), buffer.data() + used, filled);
    } else if (errno != EINTR) {
      Fail("cannot read");
    }
    if (window_requested != 0) {
      window_requested = 0;
      meter.Print();
    }
  }
  meter.Print();
  return 0;
}

}  // namespace
}  // namespace pcap_zmq::bench

int main(int argc, char** argv) {
  return pcap_zmq::bench::Run(pcap_zmq::bench::Parse(
      argc, argv, "bench_meter FIFO (SIGUSR1: a line; SIGTERM: ends)", 1, {}));
}
