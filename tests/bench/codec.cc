// SPDX-License-Identifier: MIT
//
// Squashing against the bare libraries, on the same 64 KiB of records: how fast, and how small.
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/stop_event.h"
#include "codec/frame_encoder.h"
#include "source/file_source.h"
#include "tests/bench/bench_support.h"

namespace pcap_zmq::bench {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kRounds = 7;
constexpr size_t kEnoughBuffers = 512;  // 32 MiB; what is in the captures after that is left out
constexpr double kMinSeconds = 0.2;     // of CPU in a round

// A frame's packets, which are views into `records`.
struct Buffer {
  Bytes records;
  std::vector<Packet> packets;
};

double ThreadCpu() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Corpus {
 public:
  Corpus() : pool_(kFrameHeaderBytes + kPlainFrameTarget), encoder_(1, &pool_) {}

  void Add(const Packet& packet) {
    if (!encoder_.Fits(packet)) {
      Cut();
    }
    encoder_.Append(packet);
  }
  // The full frames; a last one that is only begun is left out.
  std::vector<Buffer> Take() { return std::move(buffers_); }

  void AddFile(const std::string& path) {
    SystemClock clock;
    const StopEvent stop;
    PumpStats stats;
    CaptureFileOptions options;
    options.path = path;
    auto source = FileSource::OpenFile(options, &stats, &clock, &stop);
    if (!source.ok()) {
      std::fprintf(stderr, "bench_codec: left out: %s\n", source.error().message.c_str());
      return;
    }
    PacketBatch batch(source.value()->BatchBytes());
    while (buffers_.size() < kEnoughBuffers &&
           source.value()->Read(&batch, kNanosPerSecond) != ReadStatus::kEnd) {
      for (const Packet& packet : batch.packets()) {
        Add(packet);
      }
    }
  }

 private:
  void Cut() {
    const Frame frame = encoder_.TakePlain();
    Buffer& buffer = buffers_.emplace_back();
    buffer.records.assign(frame.data() + kFrameHeaderBytes, frame.data() + frame.size());
    for (size_t at = 0; at < buffer.records.size();) {
      const uint8_t* const record = buffer.records.data() + at;
      const size_t size = RecordSize(record);
      buffer.packets.push_back({RecordTimestamp(record), record + kRecordHeaderBytes,
                                static_cast<uint32_t>(size - kRecordHeaderBytes),
                                LoadLe<uint32_t>(record + 12)});
      at += size;
    }
  }

  FramePool pool_;
  FrameEncoder encoder_;
  std::vector<Buffer> buffers_;
};

// Web pages, name lookups and noise, as a gateway might see them; always the same.
void AddMix(Corpus* corpus) {
  const std::string page =
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: example\r\n\r\n<html><body><p>Lorem ";
  uint64_t state = 42;
  const auto random = [&state] {
    state = state * 6364136223846793005 + 1442695040888963407;
    return state >> 33;
  };
  Bytes packet(1500);
  for (uint32_t i = 0; i < 100'000; ++i) {
    const uint64_t kind = random() % 10;
    const size_t size = kind < 3 ? 60 + random() % 60 : 200 + random() % 1300;
    for (size_t at = 0; at < size; ++at) {
      packet[at] = kind < 7 ? static_cast<uint8_t>(page[(at + i) % page.size()])
                            : static_cast<uint8_t>(random());
    }
    corpus->Add({1'700'000'000 * kNanosPerSecond + i * Nanoseconds{12'345}, packet.data(),
                 static_cast<uint32_t>(size), static_cast<uint32_t>(size)});
  }
}

struct Measured {
  double mib_per_second = 0;
  size_t bytes = 0;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// How long `work` takes for all buffers; it returns the bytes that they shrink to.
Measured Time(const std::vector<Buffer>& buffers, size_t raw_bytes,
              const std::function<size_t(const Buffer&)>& work) {
  Measured measured;
  const double start = ThreadCpu();
  double passes = 0;
  do {
    measured.bytes = 0;
    for (const Buffer& buffer : buffers) {
      measured.bytes += work(buffer);
    }
    ++passes;
  } while (ThreadCpu() - start < kMinSeconds);
  measured.mib_per_second =
      static_cast<double>(raw_bytes) * passes / (1 << 20) / (ThreadCpu() - start);
  return measured;
}

void Compare(const char* name, const std::vector<Buffer>& buffers,
             std::unique_ptr<Compressor> compressor,
             const std::function<size_t(const Buffer&)>& bare_work) {
  FramePool pool(kFrameHeaderBytes + kPlainFrameTarget);
  FrameEncoder encoder(1, &pool);
  size_t raw_bytes = 0;
  for (const Buffer& buffer : buffers) {
    raw_bytes += buffer.records.size();
  }
  const auto squash = [&](const Buffer& buffer) {
    for (const Packet& packet : buffer.packets) {
      encoder.Append(packet);
    }
    const uint32_t packets = encoder.packet_count();
    const Frame frame = encoder.TakePacked(compressor.get());
    encoder.Accepted(packets);
    return frame.size() - kFrameHeaderBytes;
  };
  std::vector<double> ours;
  std::vector<double> bare;
  std::vector<double> ratios;
  size_t our_bytes = 0;
  size_t bare_bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Measured a = Time(buffers, raw_bytes, squash);
    const Measured b = Time(buffers, raw_bytes, bare_work);
    ours.push_back(a.mib_per_second);
    bare.push_back(b.mib_per_second);
    ratios.push_back(a.mib_per_second / b.mib_per_second);
    our_bytes = a.bytes;
    bare_bytes = b.bytes;
  }
  std::printf(
      "{\"codec\": \"%s\", \"buffers\": %zu, \"mib_per_s\": %.1f, \"bare_mib_per_s\": %.1f, "
      "\"speed_ratio\": %.3f, \"raw_bytes\": %zu, \"bytes\": %zu, \"bare_bytes\": %zu}\n",
      name, buffers.size(), Median(ours), Median(bare), Median(ratios), raw_bytes, our_bytes,
      bare_bytes);
  std::fflush(stdout);
}

void CompareZlib(const std::vector<Buffer>& buffers) {
  z_stream stream{};
  deflateInit(&stream, kZlibDefaultLevel);
  Bytes room(compressBound(kFrameRawTarget + kMaxCapturedLength));
  Compare("zlib", buffers, MakeZlibCompressor(kZlibDefaultLevel), [&](const Buffer& buffer) {
    deflateReset(&stream);
    stream.next_in = const_cast<Bytef*>(buffer.records.data());
    stream.avail_in = static_cast<uInt>(buffer.records.size());
    stream.next_out = room.data();
    stream.avail_out = static_cast<uInt>(room.size());
    deflate(&stream, Z_FINISH);
    return std::min<size_t>(stream.total_out, buffer.records.size());
  });
  deflateEnd(&stream);
}

void CompareZstd(const std::vector<Buffer>& buffers) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  Bytes room(ZSTD_compressBound(kFrameRawTarget + kMaxCapturedLength));
  Compare("zstd", buffers, MakeZstdCompressor(kZstdDefaultLevel), [&](const Buffer& buffer) {
    const size_t size = ZSTD_compressCCtx(context, room.data(), room.size(), buffer.records.data(),
                                          buffer.records.size(), kZstdDefaultLevel);
    return std::min(size, buffer.records.size());
  });
  ZSTD_freeCCtx(context);
}

}  // namespace
}  // namespace pcap_zmq::bench

// Usage: bench_codec [CAPTURE...]; without captures, on a mix of its own.
int main(int argc, char** argv) {
  using namespace pcap_zmq::bench;
  Corpus corpus;
  for (int i = 1; i < argc; ++i) {
    corpus.AddFile(argv[i]);
  }
  if (argc == 1) {
    AddMix(&corpus);
  }
  const std::vector<Buffer> buffers = corpus.Take();
  if (buffers.empty()) {
    std::fprintf(stderr, "bench_codec: the captures do not fill a single frame\n");
    return 1;
  }
  CompareZlib(buffers);
  CompareZstd(buffers);
  return 0;
}
