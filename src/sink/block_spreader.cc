// SPDX-License-Identifier: MIT
#include "sink/block_spreader.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/byte_io.h"
#include "base/ip_header.h"
#include "base/pool_allocator.h"

namespace pcap_zmq {
namespace {

constexpr size_t kSmallestPart = size_t{1} * 1024;
constexpr size_t kLargestPooledPart = size_t{128} * 1024;  // a whole kernel batch

uint64_t HashOf(const uint8_t* record, LinkType link_type, SpreadBy by) {
  const uint8_t* const frame = record + kRecordHeaderBytes;
  const size_t captured = LoadLe<uint32_t>(record + 8);
  // What has no IP header all goes to one sink.
  const size_t ip =
      link_type == LinkType::kRaw ? 0 : IpOffset(link_type, frame, captured).value_or(captured);
  return SpreadHash(by, frame + ip, captured - ip);
}

}  // namespace

BlockSpreader::BlockSpreader(const std::vector<std::string>& labels, SpreadBy by)
    : router_(labels),
      by_(by),
      shares_(labels.size()),
      parts_(labels.size()),
      block_pool_(sizeof(RecordBlock) + kSharedOverhead) {
  for (size_t bytes = kSmallestPart; bytes <= kLargestPooledPart; bytes *= 2) {
    pools_.emplace_back(bytes);
  }
}

std::span<RecordBlockPtr> BlockSpreader::Spread(RecordBlockPtr block) {
  std::fill(parts_.begin(), parts_.end(), nullptr);
  if (block->packet_count == 0) {
    return parts_;
  }
  if (Route(*block) == 1) {
    parts_[routes_.front()] = std::move(block);
    return parts_;
  }
  for (size_t sink = 0; sink < shares_.size(); ++sink) {
    if (shares_[sink].packets > 0) {
      parts_[sink] = MakePart(*block, &shares_[sink]);
    }
  }
  CopyRecords(*block);
  return parts_;
}

size_t BlockSpreader::Route(const RecordBlock& block) {
  std::fill(shares_.begin(), shares_.end(), Share());
  routes_.clear();
  size_t sinks = 0;
  for (size_t at = 0; at < block.records.size();) {
    const uint8_t* const record = block.records.data() + at;
    const size_t size = RecordSize(record);
    const size_t sink = router_.Route(HashOf(record, block.link_type, by_));
    Share& share = shares_[sink];
    if (share.packets == 0) {
      share.oldest_timestamp = RecordTimestamp(record);
      ++sinks;
    }
    share.bytes += size;
    ++share.packets;
    routes_.push_back(static_cast<uint16_t>(sink));
    at += size;
  }
  return sinks;
}

RecordBlockPtr BlockSpreader::MakePart(const RecordBlock& block, Share* share) {
  auto part = std::allocate_shared<RecordBlock>(PoolAllocator<RecordBlock>(&block_pool_));
  part->storage = Allocate(share->bytes);
  part->records = part->storage.bytes();
  part->packet_count = share->packets;
  part->link_type = block.link_type;
  part->oldest_timestamp = share->oldest_timestamp;
  share->end = part->storage.data();
  return part;
}

// Packets of a busy flow follow one another: such a run is copied at once.
void BlockSpreader::CopyRecords(const RecordBlock& block) {
  const uint8_t* run = block.records.data();
  const uint8_t* record = run;
  for (size_t i = 0; i < routes_.size(); ++i) {
    record += RecordSize(record);
    if (i + 1 < routes_.size() && routes_[i + 1] == routes_[i]) {
      continue;
    }
    const auto bytes = static_cast<size_t>(record - run);
    Share& share = shares_[routes_[i]];
    std::memcpy(share.end, run, bytes);
    share.end += bytes;
    run = record;
  }
}

Frame BlockSpreader::Allocate(size_t bytes) {
  size_t pool = 0;
  for (size_t fits = kSmallestPart; fits < bytes && pool < pools_.size(); fits *= 2) {
    ++pool;
  }
  return pool < pools_.size() ? pools_[pool].Allocate(bytes) : HeapFrame(bytes);
}

}  // namespace pcap_zmq
