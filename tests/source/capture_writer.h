// SPDX-License-Identifier: MIT
//
// Capture files of every kind, made by hand.
#pragma once

#include <cstdint>
#include <string>

#include "base/byte_io.h"
#include "base/clock.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// A pcap file.
class CaptureWriter {
 public:
  struct Format {
    uint32_t link_type = 101;
    bool swapped = false;  ///< the other byte order than this machine's
    bool nanoseconds = false;
  };

  explicit CaptureWriter(const Format& format) : format_(format) {
    Put32(format.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4);
    Put16(2);
    Put16(4);
    Put32(0);
    Put32(0);
    Put32(262'144);
    Put32(format.link_type);
  }

  void Add(Nanoseconds timestamp, const Bytes& frame, uint32_t original_length = 0) {
    const Nanoseconds fraction = timestamp % kNanosPerSecond;
    Put32(static_cast<uint32_t>(timestamp / kNanosPerSecond));
    Put32(static_cast<uint32_t>(format_.nanoseconds ? fraction : fraction / kNanosPerMicro));
    Put32(static_cast<uint32_t>(frame.size()));
    Put32(original_length == 0 ? static_cast<uint32_t>(frame.size()) : original_length);
    bytes_.insert(bytes_.end(), frame.begin(), frame.end());
  }

  const Bytes& bytes() const { return bytes_; }
  std::string text() const { return {bytes_.begin(), bytes_.end()}; }

 private:
  template <typename T>
  void Put(T value) {
    value = format_.swapped ? ByteSwap(value) : value;
    const auto* raw = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof value);
  }
  void Put32(uint32_t value) { Put(value); }
  void Put16(uint16_t value) { Put(value); }

  Format format_;
  Bytes bytes_;
};

/// A little-endian pcapng file of one section with one interface.
class PcapngWriter {
 public:
  /// `snaplen` 0 is unlimited; timestamps are in units of 10^-`decimals` s.
  PcapngWriter(uint16_t link_type, uint32_t snaplen, uint8_t decimals) : decimals_(decimals) {
    Bytes section;
    Put<uint32_t>(&section, 0x1a2b3c4d);
    Put<uint16_t>(&section, 1);
    Put<uint16_t>(&section, 0);
    Put<uint64_t>(&section, UINT64_MAX);  // length unknown
    AddBlock(0x0a0d0d0a, section);
    Bytes interface;
    Put<uint16_t>(&interface, link_type);
    Put<uint16_t>(&interface, 0);
    Put<uint32_t>(&interface, snaplen);
    Put<uint16_t>(&interface, 9);  // if_tsresol
    Put<uint16_t>(&interface, 1);
    Put<uint32_t>(&interface, decimals);
    Put<uint32_t>(&interface, 0);  // end of options
    AddBlock(1, interface);
  }

  void Add(Nanoseconds timestamp, const Bytes& frame) {
    int64_t units = timestamp;
    for (int i = decimals_; i < 9; ++i) {
      units /= 10;
    }
    AddRaw(units, frame);
  }

  /// A packet whose timestamp is given in the interface's units.
  void AddRaw(int64_t units, const Bytes& frame) {
    Bytes body;
    Put<uint32_t>(&body, 0);
    Put<uint32_t>(&body, static_cast<uint32_t>(static_cast<uint64_t>(units) >> 32));
    Put<uint32_t>(&body, static_cast<uint32_t>(units));
    Put<uint32_t>(&body, static_cast<uint32_t>(frame.size()));
    Put<uint32_t>(&body, static_cast<uint32_t>(frame.size()));
    body.insert(body.end(), frame.begin(), frame.end());
    AddBlock(6, body);
  }

  void AddBlock(uint32_t type, Bytes body) {
    body.resize((body.size() + 3) / 4 * 4);
    const auto length = static_cast<uint32_t>(body.size() + 12);
    Put<uint32_t>(&bytes_, type);
    Put<uint32_t>(&bytes_, length);
    bytes_.insert(bytes_.end(), body.begin(), body.end());
    Put<uint32_t>(&bytes_, length);
  }

  std::string text() const { return {bytes_.begin(), bytes_.end()}; }

 private:
  template <typename T>
  static void Put(Bytes* to, T value) {
    const size_t at = to->size();
    to->resize(at + sizeof value);
    StoreLe<T>(to->data() + at, value);
  }

  int decimals_;
  Bytes bytes_;
};

}  // namespace pcap_zmq::testing
