// SPDX-License-Identifier: MIT
#include "base/packet.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <utility>

namespace pcap_zmq {
namespace {

constexpr std::array<uint8_t, 6> kBytes = {1, 2, 3, 4, 5, 6};

Packet View(uint32_t length) {
  return {.timestamp = 17,
          .data = kBytes.data(),
          .captured_length = length,
          .original_length = length + 100};
}

TEST(PacketBatch, AppendCopiesTheBytesAndKeepsTheRest) {
  PacketBatch batch(64);
  std::array<uint8_t, 3> source = {7, 8, 9};
  ASSERT_TRUE(batch.Append({5, source.data(), 3, 1500}));
  source.fill(0);  // the batch must not look at the caller's bytes again
  ASSERT_EQ(batch.size(), 1U);
  const Packet& packet = batch.packets()[0];
  EXPECT_EQ(packet.timestamp, 5);
  EXPECT_EQ(packet.captured_length, 3U);
  EXPECT_EQ(packet.original_length, 1500U);
  EXPECT_EQ(packet.data[0], 7);
  EXPECT_EQ(packet.data[2], 9);
}

TEST(PacketBatch, AppendRefusesWhatDoesNotFitAndStaysAsItWas) {
  PacketBatch batch(8);
  ASSERT_TRUE(batch.Append(View(6)));
  EXPECT_FALSE(batch.Append(View(3)));
  EXPECT_EQ(batch.size(), 1U);
  EXPECT_EQ(batch.captured_bytes(), 6U);
  EXPECT_TRUE(batch.Append(View(2))) << "the arena's last byte must be usable";
  EXPECT_EQ(batch.captured_bytes(), 8U);
}

TEST(PacketBatch, AddTakesAViewWithoutCopying) {
  PacketBatch batch(1);
  batch.Add(View(6));
  ASSERT_EQ(batch.size(), 1U);
  EXPECT_EQ(batch.packets()[0].data, kBytes.data());
  EXPECT_EQ(batch.captured_bytes(), 6U);
}

TEST(PacketBatch, ClearFreesTheWholeArena) {
  PacketBatch batch(6);
  ASSERT_TRUE(batch.Append(View(6)));
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.captured_bytes(), 0U);
  EXPECT_TRUE(batch.Append(View(6)));
}

TEST(PacketBatch, TheArenaIsAsLargeAsAskedFor) {
  PacketBatch batch(123);
  EXPECT_EQ(batch.arena().size(), 123U);
}

TEST(PacketBatch, MovingKeepsTheViewsValid) {
  PacketBatch batch(6);
  ASSERT_TRUE(batch.Append(View(4)));
  const PacketBatch moved = std::move(batch);
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved.packets()[0].data[3], 4);
}

TEST(PacketBatch, AnEmptyPacketIsAPacket) {
  PacketBatch batch(0);
  EXPECT_TRUE(batch.Append(View(0)));
  EXPECT_EQ(batch.size(), 1U);
}

}  // namespace
}  // namespace pcap_zmq
