// SPDX-License-Identifier: MIT
//
// What the sinks' tests share: numbered packets, a capture parser of their own, readers of FIFOs.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/byte_io.h"
#include "base/clock.h"
#include "base/record_block.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

inline constexpr Nanoseconds kFirstTimestamp = 1'700'000'000 * kNanosPerSecond + 123'456'789;
inline constexpr Nanoseconds kPatience = 60 * kNanosPerSecond;
inline constexpr int kPatienceMillis = kPatience / kNanosPerMilli;

/// An IPv4 packet that carries `number` and `padding` more bytes.
inline Bytes NumberedPacket(uint32_t number, size_t padding) {
  std::string body(4 + padding, static_cast<char>('a' + number % 26));
  StoreBe<uint32_t>(reinterpret_cast<uint8_t*>(body.data()), number);
  return Ipv4Packet(body);
}

inline Bytes NumberedRecords(uint32_t first, uint32_t count, size_t padding) {
  Bytes records;
  for (uint32_t i = first; i < first + count; ++i) {
    // Lengths vary, so that a boundary in the wrong place cannot look right.
    AppendRecord(&records, NumberedPacket(i, padding + i % 7), kFirstTimestamp + i);
  }
  return records;
}

/// A block that owns `records`.
inline RecordBlockPtr MakeBlock(const Bytes& records, uint32_t packets,
                                LinkType link_type = LinkType::kRaw) {
  auto* bytes = new Bytes(records);
  auto block = std::make_shared<RecordBlock>();
  block->storage = Frame(
      bytes->data(), bytes->size(), [](void* owner) { delete static_cast<Bytes*>(owner); }, bytes);
  block->records = block->storage.bytes();
  block->packet_count = packets;
  block->link_type = link_type;
  block->oldest_timestamp = records.empty() ? 0 : RecordTimestamp(records.data());
  return block;
}

inline RecordBlockPtr NumberedBlock(uint32_t first, uint32_t count, size_t padding = 20) {
  return MakeBlock(NumberedRecords(first, count, padding), count);
}

struct ParsedRecord {
  Nanoseconds timestamp = 0;
  uint32_t original_length = 0;
  Bytes data;

  uint32_t number() const { return LoadBe<uint32_t>(data.data() + 28); }
};

/// A capture as a reader that knows nothing of our code understands it.
struct ParsedCapture {
  bool valid = false;  ///< whole header with the values that we promise, lengths in bounds
  uint32_t link_type = 0;
  std::vector<ParsedRecord> records;
  size_t rest = 0;  ///< bytes of a last record that is not whole
};

inline ParsedCapture ParseCapture(std::span<const uint8_t> bytes) {
  ParsedCapture capture;
  const auto u32 = [&](size_t at) {
    return uint32_t{bytes[at]} | uint32_t{bytes[at + 1]} << 8 | uint32_t{bytes[at + 2]} << 16 |
           uint32_t{bytes[at + 3]} << 24;
  };
  if (bytes.size() < 24 || u32(0) != 0xa1b23c4d || u32(4) != 0x00040002 || u32(8) != 0 ||
      u32(12) != 0 || u32(16) != 262144) {
    return capture;
  }
  capture.link_type = u32(20);
  size_t at = 24;
  while (at + 16 <= bytes.size()) {
    const uint32_t captured = u32(at + 8);
    if (u32(at + 4) >= 1'000'000'000 || captured > 262144 || captured > u32(at + 12)) {
      return capture;
    }
    if (at + 16 + captured > bytes.size()) {
      break;
    }
    const uint8_t* data = bytes.data() + at + 16;
    capture.records.push_back(
        {u32(at) * kNanosPerSecond + u32(at + 4), u32(at + 12), Bytes(data, data + captured)});
    at += 16 + captured;
  }
  capture.rest = bytes.size() - at;
  capture.valid = true;
  return capture;
}

/// Appends the numbers of the packets that `bytes`, the start of a capture, holds whole.  A reader
/// that took less than a header has none.
inline void AppendNumbers(const Bytes& bytes, std::vector<uint32_t>* numbers) {
  if (bytes.size() < 24) {
    return;
  }
  const ParsedCapture capture = ParseCapture(bytes);
  ASSERT_TRUE(capture.valid);
  for (const ParsedRecord& record : capture.records) {
    numbers->push_back(record.number());
  }
}

inline std::vector<uint32_t> Sequence(uint32_t count) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t i = 0; i < count; ++i) {
    numbers[i] = i;
  }
  return numbers;
}

inline Bytes ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

/// Gives other threads the processor until `condition` holds; false if it never does.
template <typename Condition>
bool WaitUntil(Condition condition) {
  const SystemClock clock;
  const Nanoseconds deadline = clock.MonotonicNow() + kPatience;
  while (!condition()) {
    if (clock.MonotonicNow() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

/// A program that reads a pipe.
class PipeReader {
 public:
  /// Opens the FIFO at `path`, without waiting for its writer.
  explicit PipeReader(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    EXPECT_TRUE(fd_.valid());
  }
  explicit PipeReader(UniqueFd fd) : fd_(std::move(fd)) { ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK); }

  /// Waits for the next `size` bytes; fewer only at the end of the stream.
  const Bytes& Take(size_t size) {
    while (size > 0 && WaitForInput()) {
      const size_t at = bytes_.size();
      bytes_.resize(at + size);
      const ssize_t taken = ::read(fd_.get(), bytes_.data() + at, size);
      bytes_.resize(at + static_cast<size_t>(taken > 0 ? taken : 0));
      if (taken == 0) {
        break;
      }
      size -= static_cast<size_t>(taken > 0 ? taken : 0);
    }
    return bytes_;
  }
  const Bytes& TakeAll() {
    size_t before = 0;
    do {
      before = bytes_.size();
      Take(1 << 16);
    } while (bytes_.size() == before + (1 << 16));
    return bytes_;
  }
  void Leave() { fd_.Reset(); }
  const Bytes& bytes() const { return bytes_; }
  int fd() const { return fd_.get(); }

 private:
  bool WaitForInput() {
    pollfd wait{fd_.get(), POLLIN, 0};
    const bool ready = ::poll(&wait, 1, kPatienceMillis) == 1;
    EXPECT_TRUE(ready) << "no input in time";
    return ready;
  }

  UniqueFd fd_;
  Bytes bytes_;
};

/// A directory of its own and what every sink is made with.
class SinkTest : public ::testing::Test {
 protected:
  SinkTest() {
    ::signal(SIGPIPE, SIG_IGN);
    std::string pattern = (std::filesystem::temp_directory_path() / "pcap-zmq-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~SinkTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  uint64_t Dropped(SinkDropReason reason) const { return stats_.dropped.Value(reason); }

  std::string directory_;
  SystemClock clock_;
  StopEvent stop_;
  SinkStats stats_{"test"};
};

}  // namespace pcap_zmq::testing
