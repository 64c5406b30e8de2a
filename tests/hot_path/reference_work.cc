// SPDX-License-Identifier: MIT
#include "tests/hot_path/reference_work.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_io.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kChunkBytes = size_t{64} * 1024;
constexpr int kLevel = 1;

// Packets and bytes of each flow: loads, arithmetic and branches as the hot path has them.  There
// is no inner loop, which one compiler unrolls and another does not.
class Code final : public HotPathStep {
 public:
  uint64_t Run() override {
    uint64_t handled = 0;
    for (const Bytes& packet : HotPathTraffic()) {
      if (packet.size() < 24 || packet[0] != 0x45 || (packet[9] != kUdp && packet[9] != kTcp)) {
        continue;
      }
      const auto addresses = LoadLe<uint64_t>(packet.data() + 12);
      const auto ports = LoadLe<uint32_t>(packet.data() + 20);
      const uint64_t key = Mix(addresses ^ Mix(ports));
      Flow& flow = flows_[key % flows_.size()];
      if (flow.key != key) {
        flow = {key, 0, 0, 0};
      }
      ++flow.packets;
      flow.bytes += packet.size();
      flow.largest = std::max<uint64_t>(flow.largest, packet.size());
      ++handled;
    }
    return handled;
  }

 private:
  struct Flow {
    uint64_t key = 0;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint64_t largest = 0;
  };

  static uint64_t Mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  std::array<Flow, 1024> flows_{};
};

// Each packet to the end of the one before.
class Copy final : public HotPathStep {
 public:
  uint64_t Run() override {
    size_t used = 0;
    for (const Bytes& packet : HotPathTraffic()) {
      if (used + packet.size() > copies_.size()) {
        used = 0;
      }
      std::memcpy(copies_.data() + used, packet.data(), packet.size());
      used += packet.size();
    }
    return HotPathTraffic().size();
  }

 private:
  Bytes copies_ = Bytes(2 * kChunkBytes);
};

// A library's call on one chunk after another; returns what it has written to `out`.
using Call = std::function<size_t(std::span<const uint8_t> in, std::span<uint8_t> out)>;

class OnChunks final : public HotPathStep {
 public:
  OnChunks(std::vector<Bytes> chunks, Call call)
      : chunks_(std::move(chunks)), call_(std::move(call)), out_(2 * kChunkBytes) {}

  uint64_t Run() override {
    for (const Bytes& chunk : chunks_) {
      if (call_(chunk, out_) == 0) {
        std::abort();
      }
    }
    return HotPathTraffic().size();
  }

  // What the calls make of the chunks.
  std::vector<Bytes> Results() {
    std::vector<Bytes> results;
    for (const Bytes& chunk : chunks_) {
      results.emplace_back(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(call_(chunk, out_)));
    }
    return results;
  }

 private:
  const std::vector<Bytes> chunks_;
  const Call call_;
  Bytes out_;
};

// The packets' records, cut where frames would be.
std::vector<Bytes> Chunks() {
  std::vector<Bytes> chunks(1);
  for (const Bytes& packet : HotPathTraffic()) {
    if (chunks.back().size() + packet.size() + kRecordHeaderBytes > kChunkBytes) {
      chunks.emplace_back();
    }
    AppendRecord(&chunks.back(), packet, 1'700'000'000 * kNanosPerSecond);
  }
  return chunks;
}

size_t Deflate(std::span<const uint8_t> in, std::span<uint8_t> out) {
  uLongf size = out.size();
  return ::compress2(out.data(), &size, in.data(), in.size(), kLevel) == Z_OK ? size : 0;
}
size_t Inflate(std::span<const uint8_t> in, std::span<uint8_t> out) {
  uLongf size = out.size();
  return ::uncompress(out.data(), &size, in.data(), in.size()) == Z_OK ? size : 0;
}
size_t SizeOrNothing(size_t size) {
  return ZSTD_isError(size) != 0 ? 0 : size;
}
size_t ZstdPack(std::span<const uint8_t> in, std::span<uint8_t> out) {
  static ZSTD_CCtx* const context = ZSTD_createCCtx();
  return SizeOrNothing(
      ZSTD_compressCCtx(context, out.data(), out.size(), in.data(), in.size(), kLevel));
}
size_t ZstdUnpack(std::span<const uint8_t> in, std::span<uint8_t> out) {
  static ZSTD_DCtx* const context = ZSTD_createDCtx();
  return SizeOrNothing(ZSTD_decompressDCtx(context, out.data(), out.size(), in.data(), in.size()));
}

}  // namespace

std::unique_ptr<HotPathStep> MakeReferenceWork(std::string_view name) {
  if (name == "reference_code") {
    return std::make_unique<Code>();
  }
  if (name == "reference_copy") {
    return std::make_unique<Copy>();
  }
  if (name == "reference_deflate") {
    return std::make_unique<OnChunks>(Chunks(), Deflate);
  }
  if (name == "reference_inflate") {
    return std::make_unique<OnChunks>(OnChunks(Chunks(), Deflate).Results(), Inflate);
  }
  if (name == "reference_zstd_pack") {
    return std::make_unique<OnChunks>(Chunks(), ZstdPack);
  }
  if (name == "reference_zstd_unpack") {
    return std::make_unique<OnChunks>(OnChunks(Chunks(), ZstdPack).Results(), ZstdUnpack);
  }
  return nullptr;
}

}  // namespace pcap_zmq::testing
