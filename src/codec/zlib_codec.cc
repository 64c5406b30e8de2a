// SPDX-License-Identifier: MIT
#include <zlib.h>

#include <cstdlib>

#include "codec/compression.h"

namespace pcap_zmq {
namespace {

// zlib's interface takes mutable pointers to input that it does not change.
Bytef* Input(std::span<const uint8_t> bytes) {
  return const_cast<Bytef*>(bytes.data());
}

void AbortUnless(bool initialised) {
  if (!initialised) {
    std::abort();  // zlib fails to initialise only without memory or with another library version
  }
}

class ZlibCompressor final : public Compressor {
 public:
  explicit ZlibCompressor(int level) { AbortUnless(deflateInit(&stream_, level) == Z_OK); }
  ~ZlibCompressor() override { deflateEnd(&stream_); }
  ZlibCompressor(const ZlibCompressor&) = delete;
  ZlibCompressor& operator=(const ZlibCompressor&) = delete;

  Codec codec() const override { return Codec::kZlib; }

  size_t Compress(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    deflateReset(&stream_);
    stream_.next_in = Input(input);
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = output.data();
    stream_.avail_out = static_cast<uInt>(output.size());
    return deflate(&stream_, Z_FINISH) == Z_STREAM_END ? output.size() - stream_.avail_out : 0;
  }

 private:
  z_stream stream_{};
};

class ZlibDecompressor final : public Decompressor {
 public:
  ZlibDecompressor() { AbortUnless(inflateInit(&stream_) == Z_OK); }
  ~ZlibDecompressor() override { inflateEnd(&stream_); }
  ZlibDecompressor(const ZlibDecompressor&) = delete;
  ZlibDecompressor& operator=(const ZlibDecompressor&) = delete;

  Outcome Decompress(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    inflateReset(&stream_);
    stream_.next_in = Input(input);
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = output.data();
    stream_.avail_out = static_cast<uInt>(output.size());
    const int status = inflate(&stream_, Z_FINISH);
    if (status == Z_STREAM_END) {
      return stream_.avail_out == 0 && stream_.avail_in == 0 ? Outcome::kOk : Outcome::kWrongLength;
    }
    // Out of room with the stream not at its end: it would give more than was declared.
    return status == Z_BUF_ERROR && stream_.avail_out == 0 ? Outcome::kWrongLength
                                                           : Outcome::kDamaged;
  }

 private:
  z_stream stream_{};
};

class ZlibStreamReaderImpl final : public ZlibStreamReader {
 public:
  ZlibStreamReaderImpl() { AbortUnless(inflateInit(&stream_) == Z_OK); }
  ~ZlibStreamReaderImpl() override { inflateEnd(&stream_); }
  ZlibStreamReaderImpl(const ZlibStreamReaderImpl&) = delete;
  ZlibStreamReaderImpl& operator=(const ZlibStreamReaderImpl&) = delete;

  void Start(std::span<const uint8_t> input) override {
    inflateReset(&stream_);
    stream_.next_in = Input(input);
    stream_.avail_in = static_cast<uInt>(input.size());
    ended_ = false;
    damaged_ = false;
  }

  size_t Read(std::span<uint8_t> output) override {
    stream_.next_out = output.data();
    stream_.avail_out = static_cast<uInt>(output.size());
    while (!ended_ && stream_.avail_out > 0) {
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status != Z_OK) {
        ended_ = true;
        damaged_ = status != Z_STREAM_END;
      }
    }
    return output.size() - stream_.avail_out;
  }

  bool damaged() const override { return damaged_; }

 private:
  z_stream stream_{};
  bool ended_ = false;
  bool damaged_ = false;
};

}  // namespace

std::unique_ptr<Compressor> MakeZlibCompressor(int level) {
  return std::make_unique<ZlibCompressor>(level);
}
std::unique_ptr<Decompressor> MakeZlibDecompressor() {
  return std::make_unique<ZlibDecompressor>();
}
std::unique_ptr<ZlibStreamReader> MakeZlibStreamReader() {
  return std::make_unique<ZlibStreamReaderImpl>();
}

}  // namespace pcap_zmq
