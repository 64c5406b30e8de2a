// SPDX-License-Identifier: MIT
#include "codec/frame_decoder.h"

#include <optional>
#include <span>
#include <utility>

#include "base/pool_allocator.h"
#include "codec/control_frame.h"
#include "codec/record_chain.h"

namespace pcap_zmq {

FrameDecoder::FrameDecoder(SenderTable* senders, ReceiverStats* stats)
    : senders_(senders),
      stats_(stats),
      pool_(kFrameRawTarget),
      block_pool_(sizeof(RecordBlock) + kSharedOverhead),
      zlib_(MakeZlibDecompressor()),
      zstd_(MakeZstdDecompressor()),
      legacy_(&pool_) {}

void FrameDecoder::Decode(Frame message, const BlockTaker& take, const SenderKey& sender_key) {
  stats_->received_bytes.Add(message.size());
  if (!message.empty() && message.data()[0] <= kLegacySquashedTag) {
    DecodeLegacy(message, take, sender_key);
    return;
  }
  RejectReason reason{};
  const std::optional<FrameHeader> header = ParseFrameHeader(message.bytes(), &reason);
  if (!header.has_value()) {
    Reject(reason);
  } else if (!sender_key.key.empty() && !senders_->BelongsTo(header->stream_id, sender_key)) {
    Reject(RejectReason::kForeign);
  } else if (header->control) {
    DecodeControl(*header, message, sender_key);
  } else {
    DecodeData(*header, std::move(message), take, sender_key);
  }
}

void FrameDecoder::DecodeLegacy(const Frame& message, const BlockTaker& take,
                                const SenderKey& sender_key) {
  const LegacyDecoder::Outcome outcome = legacy_.Decode(message.bytes(), take);
  if (outcome.damaged) {
    Reject(RejectReason::kLegacy);
  }
  if (outcome.packets > 0) {
    senders_->AcceptLegacy(outcome.packets, outcome.bytes, sender_key);
  }
}

void FrameDecoder::DecodeControl(const FrameHeader& header, const Frame& message,
                                 const SenderKey& sender_key) {
  const std::optional<ControlReport> report =
      ParseControl(message.bytes().subspan(kFrameHeaderBytes));
  if (report.has_value()) {
    senders_->AcceptControl(header, *report, sender_key);
  } else {
    Reject(RejectReason::kControl);
  }
}

bool FrameDecoder::Unpack(const FrameHeader& header, const Frame& message, Frame* unpacked) {
  *unpacked = pool_.Allocate(header.raw_length);
  Decompressor* decompressor = header.codec == Codec::kZlib ? zlib_.get() : zstd_.get();
  switch (decompressor->Decompress(message.bytes().subspan(kFrameHeaderBytes),
                                   {unpacked->data(), unpacked->size()})) {
    case Decompressor::Outcome::kOk:
      return true;
    case Decompressor::Outcome::kDamaged:
      Reject(RejectReason::kInflate);
      return false;
    case Decompressor::Outcome::kWrongLength:
      Reject(RejectReason::kRawLength);
      return false;
  }
  return false;
}

void FrameDecoder::DecodeData(const FrameHeader& header, Frame message, const BlockTaker& take,
                              const SenderKey& sender_key) {
  size_t payload_at = kFrameHeaderBytes;
  if (header.codec != Codec::kPlain) {
    Frame unpacked;
    if (!Unpack(header, message, &unpacked)) {
      return;
    }
    message = std::move(unpacked);
    payload_at = 0;
  }
  const std::span<const uint8_t> payload = message.bytes().subspan(payload_at);
  const RecordChain chain = CheckRecords(payload, header.packet_count);
  if (chain.packet_count == 0) {
    Reject(RejectReason::kRecordChain);
    return;
  }
  const std::optional<Nanoseconds> shift =
      senders_->Accept(header, chain.packet_count, chain.bytes, sender_key);
  if (!shift) {
    Reject(RejectReason::kDuplicate);
    return;
  }
  if (*shift != 0) {
    ShiftRecords({message.data() + payload_at, chain.bytes}, *shift);
  }
  if (!chain.complete) {
    Reject(RejectReason::kRecordChain);
  }
  auto block = std::allocate_shared<RecordBlock>(PoolAllocator<RecordBlock>(&block_pool_));
  block->records = payload.first(chain.bytes);
  block->packet_count = chain.packet_count;
  block->link_type = header.link_type;
  block->oldest_timestamp = RecordTimestamp(payload.data());
  block->storage = std::move(message);
  take(std::move(block));
}

}  // namespace pcap_zmq
