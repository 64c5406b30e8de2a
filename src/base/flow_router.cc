// SPDX-License-Identifier: MIT
#include "base/flow_router.h"

#include "base/ip_header.h"

namespace pcap_zmq {
namespace {

// FNV-1a; MixHash spreads it afterwards.
uint64_t HashName(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

FlowRouter::FlowRouter(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    name_hashes_.push_back(HashName(name));
  }
}

size_t FlowRouter::Route(uint64_t flow_hash) const {
  size_t best = 0;
  uint64_t best_score = 0;
  for (size_t i = 0; i < name_hashes_.size(); ++i) {
    const uint64_t score = MixHash(flow_hash, name_hashes_[i]);
    if (i == 0 || score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace pcap_zmq
