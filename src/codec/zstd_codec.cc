// SPDX-License-Identifier: MIT
#include <zstd.h>
#include <zstd_errors.h>

#include <cstdlib>

#include "codec/compression.h"

namespace pcap_zmq {
namespace {

template <typename Context>
Context* NotNull(Context* context) {
  if (context == nullptr) {
    std::abort();  // out of memory
  }
  return context;
}

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(int level) : context_(NotNull(ZSTD_createCCtx())), level_(level) {}
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;

  Codec codec() const override { return Codec::kZstd; }

  size_t Compress(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    const size_t size = ZSTD_compressCCtx(context_, output.data(), output.size(), input.data(),
                                          input.size(), level_);
    return ZSTD_isError(size) != 0 ? 0 : size;
  }

 private:
  ZSTD_CCtx* context_;
  int level_;
};

class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor() : context_(NotNull(ZSTD_createDCtx())) {}
  ~ZstdDecompressor() override { ZSTD_freeDCtx(context_); }
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  Outcome Decompress(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    const size_t size =
        ZSTD_decompressDCtx(context_, output.data(), output.size(), input.data(), input.size());
    if (ZSTD_isError(size) != 0) {
      return ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall ? Outcome::kWrongLength
                                                                    : Outcome::kDamaged;
    }
    return size == output.size() ? Outcome::kOk : Outcome::kWrongLength;
  }

 private:
  ZSTD_DCtx* context_;
};

}  // namespace

std::unique_ptr<Compressor> MakeZstdCompressor(int level) {
  return std::make_unique<ZstdCompressor>(level);
}
std::unique_ptr<Decompressor> MakeZstdDecompressor() {
  return std::make_unique<ZstdDecompressor>();
}

}  // namespace pcap_zmq
