// SPDX-License-Identifier: MIT
#include "base/byte_io.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace pcap_zmq {
namespace {

constexpr std::array<uint8_t, 9> kBytes = {0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

TEST(ByteIo, LoadsBigEndianFromAnyAlignment) {
  EXPECT_EQ(LoadBe<uint16_t>(kBytes.data() + 1), 0x0102U);
  EXPECT_EQ(LoadBe<uint32_t>(kBytes.data() + 1), 0x01020304U);
  EXPECT_EQ(LoadBe<uint64_t>(kBytes.data() + 1), 0x0102030405060708U);
}

TEST(ByteIo, LoadsLittleEndianFromAnyAlignment) {
  EXPECT_EQ(LoadLe<uint16_t>(kBytes.data() + 1), 0x0201U);
  EXPECT_EQ(LoadLe<uint32_t>(kBytes.data() + 1), 0x04030201U);
  EXPECT_EQ(LoadLe<uint64_t>(kBytes.data() + 1), 0x0807060504030201U);
}

TEST(ByteIo, StoresTheMostSignificantByteFirstInBigEndian) {
  std::array<uint8_t, 9> out{};
  StoreBe<uint64_t>(out.data() + 1, 0x0102030405060708U);
  for (size_t i = 1; i < out.size(); ++i) {
    EXPECT_EQ(out[i], kBytes[i]) << "byte " << i;
  }
  StoreBe<uint16_t>(out.data(), 0xabcdU);
  EXPECT_EQ(out[0], 0xab);
  EXPECT_EQ(out[1], 0xcd);
  EXPECT_EQ(out[2], 0x02) << "a store wrote past its own bytes";
}

TEST(ByteIo, StoresTheLeastSignificantByteFirstInLittleEndian) {
  std::array<uint8_t, 5> out{0, 0, 0, 0, 0x77};
  StoreLe<uint32_t>(out.data(), 0x01020304U);
  EXPECT_EQ(out, (std::array<uint8_t, 5>{0x04, 0x03, 0x02, 0x01, 0x77}));
}

TEST(ByteIo, NativeLoadIsOneOfTheTwoOrders) {
  const auto native = LoadNative<uint32_t>(kBytes.data() + 1);
  EXPECT_TRUE(native == 0x01020304U || native == 0x04030201U) << native;
}

TEST(ByteIo, SwapReversesAndUndoesItself) {
  EXPECT_EQ(ByteSwap<uint16_t>(0x0102), 0x0201);
  EXPECT_EQ(ByteSwap<uint32_t>(0x01020304U), 0x04030201U);
  EXPECT_EQ(ByteSwap<uint64_t>(0x0102030405060708U), 0x0807060504030201U);
  EXPECT_EQ(ByteSwap(ByteSwap<uint64_t>(0xfeedfacecafef00dU)), 0xfeedfacecafef00dU);
}

}  // namespace
}  // namespace pcap_zmq
