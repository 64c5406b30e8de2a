// SPDX-License-Identifier: MIT
#include "codec/fair_places.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace pcap_zmq {
namespace {

constexpr size_t kPlaces = 12;

class FairPlacesTest : public ::testing::Test {
 protected:
  // As SenderTable uses it.
  void Come(const std::string& owner, uint64_t id) {
    if (places_.size() == kPlaces) {
      Leave(places_.NextToGo(owner));
    }
    at_[id] = {owner, places_.Add(owner, id)};
  }
  void Leave(uint64_t id) {
    ASSERT_TRUE(at_.contains(id));
    places_.Remove(at_[id].place);
    at_.erase(id);
  }
  size_t Of(const std::string& owner) const {
    size_t count = 0;
    for (const auto& [id, entry] : at_) {
      count += entry.owner == owner ? 1U : 0U;
    }
    return count;
  }

  struct Entry {
    std::string owner;
    FairPlaces::Place place;
  };
  FairPlaces places_;
  std::map<uint64_t, Entry> at_;
};

TEST_F(FairPlacesTest, TheIdThatWasNotUsedForLongestGoesFirst) {
  for (uint64_t id = 0; id < kPlaces; ++id) {
    Come("", id);
  }
  FairPlaces::Use(at_[0].place);
  Come("", 100);
  EXPECT_FALSE(at_.contains(1));
  Come("", 101);
  EXPECT_FALSE(at_.contains(2));
  EXPECT_TRUE(at_.contains(0));
  EXPECT_EQ(places_.size(), kPlaces);
}

TEST_F(FairPlacesTest, SpareIdsGoBeforeOthersAndTheFirstOfThemFirst) {
  for (uint64_t id = 0; id < kPlaces; ++id) {
    Come("", id);
  }
  FairPlaces::MarkSpare(&at_[7].place);
  FairPlaces::MarkSpare(&at_[3].place);
  FairPlaces::Use(at_[7].place);
  Come("", 100);
  EXPECT_FALSE(at_.contains(7)) << "its use changes nothing";
  Come("", 101);
  EXPECT_FALSE(at_.contains(3));
  Come("", 102);
  EXPECT_FALSE(at_.contains(0));
}

TEST_F(FairPlacesTest, OneOwnerMayHaveAllPlacesThatNobodyElseWants) {
  for (uint64_t id = 0; id < kPlaces; ++id) {
    Come("a", id);
  }
  EXPECT_EQ(Of("a"), kPlaces);
}

TEST_F(FairPlacesTest, WhoFloodsTakesNothingFromOwnersWithinTheirShare) {
  Come("b", 1000);
  Come("c", 1001);
  Come("c", 1002);
  for (uint64_t id = 0; id < 500; ++id) {
    Come("a", id);
  }
  EXPECT_EQ(Of("a"), kPlaces - 3);
  EXPECT_EQ(Of("b"), 1U);
  EXPECT_EQ(Of("c"), 2U);
}

TEST_F(FairPlacesTest, WhoComesLaterGetsTheShareThatOthersHaveBeyondTheirs) {
  for (uint64_t id = 0; id < kPlaces; ++id) {
    Come("a", id);
  }
  for (uint64_t id = 100; id < 200; ++id) {
    Come("b", id);
  }
  EXPECT_EQ(Of("b"), kPlaces / 2);
  for (uint64_t id = 200; id < 300; ++id) {
    Come("c", id);
  }
  EXPECT_EQ(Of("a"), kPlaces / 3);
  EXPECT_EQ(Of("b"), kPlaces / 3);
  EXPECT_EQ(Of("c"), kPlaces / 3);
}

TEST_F(FairPlacesTest, MoreOwnersThanPlacesTakeTurns) {
  for (uint64_t id = 0; id < 500; ++id) {
    Come("owner " + std::to_string(id), id);
    EXPECT_TRUE(at_.contains(id));
  }
  EXPECT_EQ(places_.size(), kPlaces);
}

}  // namespace
}  // namespace pcap_zmq
