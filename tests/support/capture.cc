// SPDX-License-Identifier: MIT
#include "tests/support/capture.h"

#include <fstream>
#include <iterator>

#include "base/byte_io.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kFileHeaderBytes = 24;
constexpr size_t kRecordHeader = 16;
constexpr uint32_t kNanosecondMagic = 0xa1b23c4d;

}  // namespace

Capture ParseCapture(std::span<const uint8_t> bytes) {
  Capture capture;
  if (bytes.size() < kFileHeaderBytes) {
    capture.error = "no capture header in " + std::to_string(bytes.size()) + " bytes";
    return capture;
  }
  const uint8_t* header = bytes.data();
  const auto snaplen = LoadLe<uint32_t>(header + 16);
  capture.link_type = LoadLe<uint32_t>(header + 20);
  if (LoadLe<uint32_t>(header) != kNanosecondMagic || LoadLe<uint16_t>(header + 4) != 2 ||
      LoadLe<uint16_t>(header + 6) != 4 || snaplen == 0) {
    capture.error = "not the header of a little-endian nanosecond capture";
    return capture;
  }
  size_t at = kFileHeaderBytes;
  while (bytes.size() - at >= kRecordHeader) {
    const uint8_t* record = bytes.data() + at;
    const auto nanos = LoadLe<uint32_t>(record + 4);
    const auto captured = LoadLe<uint32_t>(record + 8);
    const auto original = LoadLe<uint32_t>(record + 12);
    // The pipe never writes an empty record, but a second file header would look like one.
    if (captured == 0 || captured > snaplen || captured > original || nanos >= kNanosPerSecond) {
      capture.error = "impossible record at byte " + std::to_string(at) + ", packet " +
                      std::to_string(capture.packets.size());
      return capture;
    }
    if (bytes.size() - at - kRecordHeader < captured) {
      break;
    }
    capture.packets.push_back(
        {static_cast<Nanoseconds>(LoadLe<uint32_t>(record)) * kNanosPerSecond + nanos,
         bytes.subspan(at + kRecordHeader, captured), original});
    at += kRecordHeader + captured;
  }
  capture.trailing_bytes = bytes.size() - at;
  return capture;
}

std::vector<uint8_t> ReadFileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    return {};
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

}  // namespace pcap_zmq::testing
