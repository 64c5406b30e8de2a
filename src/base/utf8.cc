// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <cstdint>

namespace pcap_zmq {
namespace {

uint8_t ByteAt(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : 0;
}

bool InRange(uint8_t byte, uint8_t low, uint8_t high) {
  return byte >= low && byte <= high;
}

}  // namespace

size_t CharacterLength(std::string_view text, size_t at) {
  const uint8_t first = ByteAt(text, at);
  const uint8_t second = ByteAt(text, at + 1);
  if (first < 0x80) {
    return at < text.size() ? 1 : 0;
  }
  size_t length = 0;
  // The bounds of the second byte exclude overlong forms, surrogates and what is above U+10FFFF.
  if (InRange(first, 0xc2, 0xdf) && InRange(second, 0x80, 0xbf)) {
    length = 2;
  } else if (InRange(first, 0xe0, 0xef) &&
             InRange(second, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf)) {
    length = 3;
  } else if (InRange(first, 0xf0, 0xf4) &&
             InRange(second, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf)) {
    length = 4;
  }
  for (size_t i = 2; i < length; ++i) {
    if (!InRange(ByteAt(text, at + i), 0x80, 0xbf)) {
      return 0;
    }
  }
  return length;
}

}  // namespace pcap_zmq
