// SPDX-License-Identifier: MIT
//
// One bound for memory that several parts of a program hold.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace pcap_zmq {

/// Counts what the receiver holds of packets on their way from the network to its outputs.
///
/// The bound is one for all, as nobody knows beforehand where packets will have to wait.  Yet each
/// holder may always have kLeast, or one of them could keep another from moving, and itself with
/// it.  So together they never hold more than the limit, kLeast for each, and what was let in last.
/// Units:   bytes of memory that is really taken, not of packets in it.
/// Threads: any.
class MemoryBudget {
 public:
  enum class Holder {
    kTransport,  ///< ZeroMQ's part, which can only be estimated
    kInbox,      ///< messages that wait to be decoded
    kQueues,     ///< packets that wait for outputs
    kCount
  };
  static constexpr uint64_t kLeast = uint64_t{16} << 20;

  MemoryBudget() = default;
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// Before all other calls.
  void SetLimit(uint64_t limit) { limit_ = limit; }

  /// Whether `holder` may take in something more.
  bool HasRoom(Holder holder) const { return Held(holder) < kLeast || Total() < limit_; }

  void Add(Holder holder, uint64_t bytes) {
    held_[Index(holder)].fetch_add(bytes, std::memory_order_relaxed);
  }
  void Remove(Holder holder, uint64_t bytes) {
    held_[Index(holder)].fetch_sub(bytes, std::memory_order_relaxed);
  }
  void Set(Holder holder, uint64_t bytes) {
    held_[Index(holder)].store(bytes, std::memory_order_relaxed);
  }

  uint64_t Held(Holder holder) const {
    return held_[Index(holder)].load(std::memory_order_relaxed);
  }
  uint64_t Total() const {
    uint64_t total = 0;
    for (const std::atomic<uint64_t>& held : held_) {
      total += held.load(std::memory_order_relaxed);
    }
    return total;
  }
  uint64_t limit() const { return limit_; }

 private:
  static constexpr size_t kHolders = static_cast<size_t>(Holder::kCount);
  static constexpr size_t Index(Holder holder) { return static_cast<size_t>(holder); }

  uint64_t limit_ = uint64_t{256} << 20;
  std::array<std::atomic<uint64_t>, kHolders> held_{};
};

inline constexpr std::array<std::string_view, static_cast<size_t>(MemoryBudget::Holder::kCount)>
    kMemoryHolderNames = {"transport", "inbox", "queues"};

/// Something that counts in a budget for as long as it lives.
/// Threads: made in one and ended in any.
class MemoryShare {
 public:
  MemoryShare() = default;
  /// `budget` outlives the share.
  MemoryShare(MemoryBudget* budget, MemoryBudget::Holder holder, uint64_t bytes)
      : budget_(budget), holder_(holder), bytes_(bytes) {
    budget_->Add(holder_, bytes_);
  }
  MemoryShare(MemoryShare&& other) noexcept { *this = std::move(other); }
  MemoryShare& operator=(MemoryShare&& other) noexcept {
    if (this != &other) {
      GiveBack();
      budget_ = std::exchange(other.budget_, nullptr);
      holder_ = other.holder_;
      bytes_ = other.bytes_;
    }
    return *this;
  }
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;
  ~MemoryShare() { GiveBack(); }

 private:
  void GiveBack() {
    if (budget_ != nullptr) {
      budget_->Remove(holder_, bytes_);
    }
  }

  MemoryBudget* budget_ = nullptr;
  MemoryBudget::Holder holder_ = MemoryBudget::Holder::kInbox;
  uint64_t bytes_ = 0;
};

}  // namespace pcap_zmq
