// SPDX-License-Identifier: MIT
#include "codec/fair_places.h"

#include <algorithm>

namespace pcap_zmq {

FairPlaces::Place FairPlaces::Add(std::string_view owner, uint64_t id) {
  const auto found = owners_.try_emplace(std::string(owner)).first;
  Place place;
  place.owner = &found->second;
  place.owner->name = found->first;
  place.list = &place.owner->used;
  place.at = place.list->insert(place.list->end(), id);
  ++size_;
  return place;
}

void FairPlaces::Remove(const Place& place) {
  place.list->erase(place.at);
  --size_;
  if (place.owner->size() == 0) {
    owners_.erase(std::string(place.owner->name));
  }
}

void FairPlaces::Use(const Place& place) {
  Ids& used = place.owner->used;
  if (place.list == &used) {
    used.splice(used.end(), used, place.at);
  }
}

void FairPlaces::MarkSpare(Place* place) {
  Ids& spare = place->owner->spare;
  spare.splice(spare.end(), *place->list, place->at);
  place->list = &spare;
}

// An owner who has his share already makes place himself, so that a flood costs nobody else a look
// at all owners.
uint64_t FairPlaces::NextToGo(std::string_view newcomer) const {
  const auto own = owners_.find(std::string(newcomer));
  if (own != owners_.end() && own->second.size() >= size_ / owners_.size()) {
    return own->second.NextToGo();
  }
  const auto largest = std::max_element(
      owners_.begin(), owners_.end(),
      [](const auto& one, const auto& other) { return one.second.size() < other.second.size(); });
  return largest->second.NextToGo();
}

}  // namespace pcap_zmq
