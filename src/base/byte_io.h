// SPDX-License-Identifier: MIT
//
// Integers in byte buffers, with the byte order in the name.  No bounds checks: callers check
// lengths first.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace pcap_zmq {

template <typename T>
constexpr T ByteSwap(T value) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(value));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(value));
  } else {
    static_assert(sizeof(T) == 8);
    return static_cast<T>(__builtin_bswap64(value));
  }
}

template <typename T>
T LoadNative(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
T LoadLe(const uint8_t* from) {
  T value = LoadNative<T>(from);
  return std::endian::native == std::endian::little ? value : ByteSwap(value);
}

template <typename T>
T LoadBe(const uint8_t* from) {
  T value = LoadNative<T>(from);
  return std::endian::native == std::endian::big ? value : ByteSwap(value);
}

template <typename T>
void StoreLe(uint8_t* to, T value) {
  if constexpr (std::endian::native != std::endian::little) {
    value = ByteSwap(value);
  }
  std::memcpy(to, &value, sizeof value);
}

template <typename T>
void StoreBe(uint8_t* to, T value) {
  if constexpr (std::endian::native != std::endian::big) {
    value = ByteSwap(value);
  }
  std::memcpy(to, &value, sizeof value);
}

}  // namespace pcap_zmq
