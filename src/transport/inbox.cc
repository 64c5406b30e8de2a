// SPDX-License-Identifier: MIT
#include "transport/inbox.h"

#include <cstring>
#include <utility>

namespace pcap_zmq {
namespace {

// What an entry takes besides its message: itself, a key, and what the allocator adds.
constexpr size_t kEntryOverhead = 256;

}  // namespace

void Inbox::Push(Frame frame, const SenderKey& sender_key) {
  if (frame.capacity() > 2 * (frame.size() + kEntryOverhead)) {
    Frame copy = HeapFrame(frame.size());
    std::memcpy(copy.data(), frame.data(), frame.size());
    frame = std::move(copy);
  }
  const size_t bytes = frame.capacity() + kEntryOverhead;
  entries_.Push() = {std::move(frame), std::string(sender_key.key),
                     MemoryShare(budget_, MemoryBudget::Holder::kInbox, bytes)};
}

bool Inbox::Pop(Frame* frame, std::string* key) {
  if (entries_.empty()) {
    return false;
  }
  Entry& first = entries_.front();
  *frame = std::move(first.frame);
  *key = std::move(first.key);
  entries_.Pop();
  return true;
}

}  // namespace pcap_zmq
