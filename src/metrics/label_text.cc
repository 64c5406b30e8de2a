// SPDX-License-Identifier: MIT
#include "metrics/label_text.h"

#include <cstddef>

#include "base/utf8.h"

namespace pcap_zmq {
namespace {

bool IsControl(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

}  // namespace

std::string LabelText(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = IsControl(text[at]) ? 0 : CharacterLength(text, at);
    if (length == 0) {
      safe += kReplacementCharacter;
      ++at;
    } else {
      safe += text.substr(at, length);
      at += length;
    }
  }
  return safe;
}

}  // namespace pcap_zmq
