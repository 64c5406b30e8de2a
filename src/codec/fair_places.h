// SPDX-License-Identifier: MIT
//
// Who has to go when there are more of them than places.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pcap_zmq {

/// The order in which ids give up a bounded number of places that owners share.
///
/// Every owner may keep a fair share, which is all places over the number of owners.  Places beyond
/// that are lent, and go back to whoever comes with less than his share; the id of an
/// owner that was used last stays longest.
/// Threads: not thread-safe; SenderTable guards it.
class FairPlaces {
 private:
  using Ids = std::list<uint64_t>;
  struct Owner {
    size_t size() const { return spare.size() + used.size(); }
    uint64_t NextToGo() const { return spare.empty() ? used.front() : spare.front(); }

    std::string name;
    // Of both the first one goes first, and all that are spare before the others.
    Ids spare;
    Ids used;
  };

 public:
  /// Where an id is; valid until it is removed.
  class Place {
   private:
    friend class FairPlaces;
    Owner* owner_ = nullptr;
    Ids* list_ = nullptr;
    Ids::iterator at_;
  };

  /// The id is the last one of its owner to go.
  Place Add(std::string_view owner, uint64_t id);
  void Remove(const Place& place);

  /// The id was used: it goes last, unless it is spare.
  static void Use(const Place& place);
  /// The id is of little use any more: it goes before those of its owner that are.
  static void MarkSpare(Place* place);

  /// Which id has to go so that `newcomer` gets a place.  Needs size() > 0.
  uint64_t NextToGo(std::string_view newcomer) const;

  size_t size() const { return size_; }

 private:
  std::unordered_map<std::string, Owner> owners_;  // those that have an id
  size_t size_ = 0;
};

}  // namespace pcap_zmq
