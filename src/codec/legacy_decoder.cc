// SPDX-License-Identifier: MIT
#include "codec/legacy_decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/byte_io.h"
#include "base/packet.h"
#include "codec/frame_format.h"

namespace pcap_zmq {
namespace {

constexpr size_t kXdrFixedBytes = 16;  // seconds, microseconds, original length, opaque length
constexpr size_t kMaxXdrRecord = kXdrFixedBytes + kMaxCapturedLength + 3;
constexpr uint32_t kMicrosPerSecond = 1'000'000;

}  // namespace

LegacyDecoder::LegacyDecoder(FramePool* pool) : pool_(pool), inflater_(MakeZlibStreamReader()) {}

LegacyDecoder::Outcome LegacyDecoder::Decode(std::span<const uint8_t> message,
                                             const BlockTaker& take) {
  outcome_ = {};
  const std::span<const uint8_t> body = message.subspan(1);
  const bool whole =
      message[0] == kLegacySquashedTag ? DecodeSquashed(body, take) : AppendXdrRecord(body, take);
  outcome_.damaged = !whole;
  Emit(take);
  return outcome_;
}

bool LegacyDecoder::DecodeSquashed(std::span<const uint8_t> stream, const BlockTaker& take) {
  inflater_->Start(stream);
  size_t inflated = 0;
  while (true) {
    std::array<uint8_t, 4> prefix{};
    const size_t got = inflater_->Read(prefix);
    if (got == 0) {
      return !inflater_->damaged();
    }
    const size_t length = LoadBe<uint32_t>(prefix.data());
    inflated += prefix.size() + length;
    if (got < prefix.size() || length > kMaxXdrRecord || inflated > kMaxLegacyInflatedBytes) {
      return false;
    }
    scratch_.resize(length);
    if (inflater_->Read(scratch_) < length || !AppendXdrRecord(scratch_, take)) {
      return false;
    }
  }
}

bool LegacyDecoder::AppendXdrRecord(std::span<const uint8_t> record, const BlockTaker& take) {
  if (record.size() < kXdrFixedBytes) {
    return false;
  }
  const uint32_t seconds = LoadBe<uint32_t>(record.data());
  const uint32_t micros = LoadBe<uint32_t>(record.data() + 4);
  const uint32_t original = LoadBe<uint32_t>(record.data() + 8);
  const size_t captured = LoadBe<uint32_t>(record.data() + 12);
  const size_t padded = (captured + 3) / 4 * 4;
  if (micros >= kMicrosPerSecond || captured > kMaxCapturedLength ||
      padded != record.size() - kXdrFixedBytes) {
    return false;
  }
  const size_t bytes = kRecordHeaderBytes + captured;
  if (current_packets_ > 0 && current_bytes_ + bytes > current_.size()) {
    Emit(take);
  }
  if (current_packets_ == 0) {
    current_ = pool_->Allocate(std::max(kFrameRawTarget, bytes));
  }
  uint8_t* to = current_.data() + current_bytes_;
  StoreLe<uint32_t>(to, seconds);
  StoreLe<uint32_t>(to + 4, micros * 1000);
  StoreLe<uint32_t>(to + 8, static_cast<uint32_t>(captured));
  StoreLe<uint32_t>(to + 12, std::max(original, static_cast<uint32_t>(captured)));
  std::memcpy(to + kRecordHeaderBytes, record.data() + kXdrFixedBytes, captured);
  current_bytes_ += bytes;
  ++current_packets_;
  return true;
}

void LegacyDecoder::Emit(const BlockTaker& take) {
  if (current_packets_ == 0) {
    return;
  }
  auto block = std::make_shared<RecordBlock>();
  block->storage = std::move(current_);
  block->records = block->storage.bytes().first(current_bytes_);
  block->packet_count = current_packets_;
  block->oldest_timestamp = RecordTimestamp(block->records.data());
  outcome_.packets += current_packets_;
  outcome_.bytes += current_bytes_;
  current_bytes_ = 0;
  current_packets_ = 0;
  take(std::move(block));
}

}  // namespace pcap_zmq
