// SPDX-License-Identifier: MIT
#include "codec/fair_places.h"

#include <algorithm>

namespace pcap_zmq {

FairPlaces::Place FairPlaces::Add(std::string_view owner, uint64_t id) {
  const auto found = owners_.try_emplace(std::string(owner)).first;
  Place place;
  place.owner_ = &found->second;
  place.owner_->name = found->first;
  place.list_ = &place.owner_->used;
  place.at_ = place.list_->insert(place.list_->end(), id);
  ++size_;
  return place;
}

void FairPlaces::Remove(const Place& place) {
  place.list_->erase(place.at_);
  --size_;
  if (place.owner_->size() == 0) {
    owners_.erase(std::string(place.owner_->name));
  }
}

void FairPlaces::Use(const Place& place) {
  Ids& used = place.owner_->used;
  if (place.list_ == &used) {
    used.splice(used.end(), used, place.at_);
  }
}

void FairPlaces::MarkSpare(Place* place) {
  Ids& spare = place->owner_->spare;
  spare.splice(spare.end(), *place->list_, place->at_);
  place->list_ = &spare;
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
