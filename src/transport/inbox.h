// SPDX-License-Identifier: MIT
//
// Messages that were received and wait to be decoded.
#pragma once

#include <cstddef>
#include <string>

#include "base/frame.h"
#include "base/memory_budget.h"
#include "base/ring.h"
#include "base/sender_key.h"

namespace pcap_zmq {

/// A queue of messages, in the order in which they came, that counts what it holds in a budget.
///
/// It has no bound of its own: whoever fills it asks the budget first.
/// Threads: not thread-safe.
class Inbox {
 public:
  /// `budget` outlives the inbox.
  explicit Inbox(MemoryBudget* budget) : budget_(budget) {}

  /// Puts a message at the end.  One that would keep far more memory than it needs is copied.
  void Push(Frame frame, const SenderKey& sender_key);

  /// Takes the first message, and its sender's key, empty where senders have none.
  /// Errors:  false when there is none.
  bool Pop(Frame* frame, std::string* key);

  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    Frame frame;
    std::string key;
    MemoryShare share;
  };

  MemoryBudget* const budget_;
  Ring<Entry> entries_;
};

}  // namespace pcap_zmq
