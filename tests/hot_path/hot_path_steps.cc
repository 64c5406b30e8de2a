// SPDX-License-Identifier: MIT
#include "tests/hot_path/hot_path_steps.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/stats.h"
#include "base/stop_event.h"
#include "codec/frame_decoder.h"
#include "codec/frame_encoder.h"
#include "shaper/watermark_policy.h"
#include "sink/block_spreader.h"
#include "sink/fifo_sink.h"
#include "source/nflog_record.h"
#include "tests/source/nflog_datagram.h"
#include "tests/support/fake_clock.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kPackets = 1000;
constexpr size_t kPacketsInDatagram = 50;
constexpr Nanoseconds kStart = 1'700'000'000 * kNanosPerSecond;

// Always the same: of 60 to 1,500 bytes, half text and half noise, from a hundred flows.
std::vector<Bytes> MakeTraffic() {
  const std::string text =
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: example\r\n\r\n<p>";
  std::vector<Bytes> traffic;
  uint64_t state = 7;
  const auto random = [&state] {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>(state >> 33);
  };
  for (size_t i = 0; i < kPackets; ++i) {
    std::string body(random() % 4 == 0 ? random() % 1472 : 32 + random() % 400, '\0');
    const bool noise = random() % 2 == 0;
    for (size_t at = 0; at < body.size(); ++at) {
      body[at] = noise ? static_cast<char>(random()) : text[(at + i) % text.size()];
    }
    const Ports ports{static_cast<uint16_t>(1024 + random() % 100), 80};
    traffic.push_back(Ipv4Packet(body, 0x0a000001, 0x0a000002, ports));
  }
  return traffic;
}

std::vector<Packet> Packets() {
  std::vector<Packet> packets;
  for (const Bytes& bytes : HotPathTraffic()) {
    const auto size = static_cast<uint32_t>(bytes.size());
    packets.push_back(
        {kStart + static_cast<Nanoseconds>(packets.size()) * 1000, bytes.data(), size, size});
  }
  return packets;
}

// A step that cannot even be set up has nothing to say.
void Require(bool condition, const char* what) {
  if (!condition) {
    std::perror(what);
    std::abort();
  }
}

// NFLOG datagrams to packets.
class Parse final : public HotPathStep {
 public:
  Parse() {
    for (size_t i = 0; i < kPackets; ++i) {
      if (i % kPacketsInDatagram == 0) {
        datagrams_.emplace_back();
      }
      LoggedPacket packet;
      packet.timestamp = {1'700'000'000, i};
      packet.sequence = static_cast<uint32_t>(i);
      packet.payload = HotPathTraffic()[i];
      AppendPacket(&datagrams_.back(), packet);
      if ((i + 1) % kPacketsInDatagram == 0) {
        AppendDone(&datagrams_.back());
      }
    }
  }
  uint64_t Run() override {
    uint64_t packets = 0;
    for (const Bytes& datagram : datagrams_) {
      NflogDatagramReader reader(datagram);
      for (NflogItem item = reader.Next(); item != NflogItem::kEnd; item = reader.Next()) {
        if (item == NflogItem::kPacket && NflogIpOffset(reader.packet()).has_value()) {
          ++packets;
        }
      }
    }
    return packets;
  }

 private:
  std::vector<Bytes> datagrams_;
};

// The choice among flows while there is far too much.
class Shed final : public HotPathStep {
 public:
  Shed() : packets_(Packets()), policy_({.low = 1, .high = 1'000'000}) {
    for (int i = 0; i < 100; ++i) {
      Run();
    }
  }
  uint64_t Run() override {
    for (const Packet& packet : packets_) {
      now_ += 10'000;
      policy_.Observe(now_, packet.captured_length);
      const uint64_t bytes = packet.captured_length + kRecordHeaderBytes;
      if (policy_.Admit(packet, bytes)) {
        policy_.Settle(bytes, bytes);
      }
    }
    return packets_.size();
  }

 private:
  const std::vector<Packet> packets_;
  WatermarkPolicy policy_;
  Nanoseconds now_ = kNanosPerSecond;
};

// Packets to frames; with a codec, to packed ones.
class Encode final : public HotPathStep {
 public:
  explicit Encode(std::unique_ptr<Compressor> compressor = nullptr)
      : packets_(Packets()), compressor_(std::move(compressor)) {}

  uint64_t Run() override {
    uint64_t handled = 0;
    for (const Packet& packet : packets_) {
      if (!encoder_.Fits(packet)) {
        handled += Emit();
      }
      encoder_.Append(packet);
    }
    return handled + Emit();
  }

  // Of the last Run(), if they are kept.
  std::vector<Frame>* frames() { return &frames_; }
  void KeepFrames() { keep_ = true; }

 private:
  uint64_t Emit() {
    const uint32_t count = encoder_.packet_count();
    Frame frame = compressor_ ? encoder_.TakePacked(compressor_.get()) : encoder_.TakePlain();
    encoder_.Accepted(count);
    if (keep_) {
      frames_.push_back(std::move(frame));
    }
    return count;
  }

  const std::vector<Packet> packets_;
  const std::unique_ptr<Compressor> compressor_;
  FramePool pool_{kFrameHeaderBytes + kPlainFrameTarget};
  FrameEncoder encoder_{1, &pool_};
  bool keep_ = false;
  std::vector<Frame> frames_;
};

// Frames to blocks of records.
class Decode final : public HotPathStep {
 public:
  explicit Decode(std::unique_ptr<Compressor> compressor = nullptr)
      : encode_(std::move(compressor)) {
    encode_.KeepFrames();
  }

  void Prepare() override { encode_.Run(); }
  uint64_t Run() override {
    for (Frame& frame : *encode_.frames()) {
      decoder_.Decode(std::move(frame), &blocks_);
    }
    uint64_t packets = 0;
    for (const RecordBlockPtr& block : blocks_) {
      packets += block->packet_count;
    }
    return packets;
  }
  void Finish() override {
    encode_.frames()->clear();
    blocks_.clear();
  }

  std::vector<RecordBlockPtr>* blocks() { return &blocks_; }

 private:
  Encode encode_;
  FakeClock clock_;
  ReceiverStats stats_;
  SenderTable senders_{4, &clock_};
  FrameDecoder decoder_{&senders_, &stats_};
  std::vector<RecordBlockPtr> blocks_;
};

// A block a packet, as frames of calm traffic are.
std::vector<RecordBlockPtr> Split(const std::vector<RecordBlockPtr>& blocks) {
  std::vector<RecordBlockPtr> split;
  for (const RecordBlockPtr& block : blocks) {
    for (size_t at = 0; at < block->records.size();) {
      const size_t size = RecordSize(block->records.data() + at);
      auto one = std::make_shared<RecordBlock>();
      one->storage = HeapFrame(size);
      std::copy_n(block->records.data() + at, size, one->storage.data());
      one->records = one->storage.bytes();
      one->packet_count = 1;
      one->oldest_timestamp = RecordTimestamp(one->records.data());
      split.push_back(std::move(one));
      at += size;
    }
  }
  return split;
}

// Blocks to the parts of several outputs that share the flows.
class SpreadFlows final : public HotPathStep {
 public:
  void Prepare() override {
    decode_.Prepare();
    decode_.Run();
    parts_.reserve(4 * decode_.blocks()->size());
  }
  uint64_t Run() override {
    uint64_t packets = 0;
    for (RecordBlockPtr& block : *decode_.blocks()) {
      for (RecordBlockPtr& part : spreader_.Spread(std::move(block))) {
        if (part != nullptr) {
          packets += part->packet_count;
          parts_.push_back(std::move(part));
        }
      }
    }
    return packets;
  }
  void Finish() override {
    parts_.clear();
    decode_.Finish();
  }

 private:
  Decode decode_;
  BlockSpreader spreader_{{"/run/ids-0", "/run/ids-1", "/run/ids-2", "/run/ids-3"}};
  std::vector<RecordBlockPtr> parts_;
};

// Blocks into a FIFO that has room for all of them.
class Write final : public HotPathStep {
 public:
  Write(const std::string& directory, bool small) : small_(small), rest_(size_t{1} << 20) {
    const std::string path = directory + "/fifo";
    Require(::mkfifo(path.c_str(), 0600) == 0, "mkfifo");
    reader_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    Require(reader_.valid(), "open");
    FifoOptions options;
    options.path = path;
    auto sink = FifoSink::Open(options, &stats_, &clock_, &stop_);
    Require(sink.ok(), "FifoSink::Open");
    sink_ = sink.Take();
    Require(::fcntl(reader_.get(), F_GETPIPE_SZ) >= 1 << 20, "F_SETPIPE_SZ");
    Finish();
  }
  ~Write() override { sink_->Finish(); }

  void Prepare() override {
    decode_.Prepare();
    decode_.Run();
    if (small_) {
      *decode_.blocks() = Split(*decode_.blocks());
    }
  }
  uint64_t Run() override {
    uint64_t packets = 0;
    for (RecordBlockPtr& block : *decode_.blocks()) {
      packets += block->packet_count;
      sink_->Deliver(std::move(block));
    }
    return packets;
  }
  void Finish() override {
    while (::read(reader_.get(), rest_.data(), rest_.size()) > 0) {
    }
    clock_.Advance(2 * kNanosPerSecond);
    sink_->Service();  // lets go of what was read
    decode_.Finish();
  }

 private:
  const bool small_;
  Decode decode_;
  FakeClock clock_;
  SinkStats stats_{"fifo"};
  StopEvent stop_;
  UniqueFd reader_;
  std::unique_ptr<FifoSink> sink_;
  Bytes rest_;
};

}  // namespace

const std::vector<Bytes>& HotPathTraffic() {
  static const std::vector<Bytes> traffic = MakeTraffic();
  return traffic;
}

const std::vector<std::string_view>& HotPathStepNames() {
  static const std::vector<std::string_view> names = {
      "parse",       "shed",        "encode", "squash_zlib", "squash_zstd", "decode",
      "unpack_zlib", "unpack_zstd", "spread", "write",       "write_small"};
  return names;
}

std::unique_ptr<HotPathStep> MakeHotPathStep(std::string_view name, const std::string& directory) {
  if (name == "parse") {
    return std::make_unique<Parse>();
  }
  if (name == "shed") {
    return std::make_unique<Shed>();
  }
  if (name == "encode") {
    return std::make_unique<Encode>();
  }
  if (name == "squash_zlib") {
    return std::make_unique<Encode>(MakeZlibCompressor(kZlibDefaultLevel));
  }
  if (name == "squash_zstd") {
    return std::make_unique<Encode>(MakeZstdCompressor(kZstdDefaultLevel));
  }
  if (name == "decode") {
    return std::make_unique<Decode>();
  }
  if (name == "unpack_zlib") {
    return std::make_unique<Decode>(MakeZlibCompressor(kZlibDefaultLevel));
  }
  if (name == "unpack_zstd") {
    return std::make_unique<Decode>(MakeZstdCompressor(kZstdDefaultLevel));
  }
  if (name == "spread") {
    return std::make_unique<SpreadFlows>();
  }
  if (name == "write" || name == "write_small") {
    return std::make_unique<Write>(directory, name == "write_small");
  }
  return nullptr;
}

}  // namespace pcap_zmq::testing
