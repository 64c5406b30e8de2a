// SPDX-License-Identifier: MIT
//
// What the golden files hold: the packets, and the messages made from them anew.
#pragma once

#include <string>
#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq::testing {

inline constexpr uint64_t kGoldenStream = 0x8877665544332211;

/// The packets of the data frames.
std::vector<TestPacket> GoldenPackets();
/// The packets of the legacy messages, whose clock knew microseconds only.
std::vector<TestPacket> GoldenLegacyPackets();
/// The payload of the control frame.
std::string GoldenControlJson();

struct GoldenFile {
  std::string name;
  Bytes message;
};

/// Each file's name, and its message as this build makes it.
std::vector<GoldenFile> GoldenFiles();

}  // namespace pcap_zmq::testing
