// SPDX-License-Identifier: MIT
//
// What the tests of capture files and pipes share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "source/file_source.h"
#include "tests/source/capture_writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/packet_builder.h"
#include "tests/support/temp_dir.h"

namespace pcap_zmq::testing {

inline constexpr Nanoseconds kStart = 1'700'000'000 * kNanosPerSecond;
inline constexpr Nanoseconds kFilePatience = 30 * kNanosPerSecond;

/// A packet as a source handed it on.
struct FilePacket {
  Nanoseconds timestamp = 0;
  Bytes bytes;
  uint32_t original_length = 0;
};

/// A source of a file in a temporary directory, on a clock that the test moves.
class FileSourceTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<FileSource>> Open(const CaptureFileOptions& options) {
    return FileSource::OpenFile(options, &stats_, &clock_, &stop_);
  }

  Result<std::unique_ptr<FileSource>> Open(const CaptureWriter& capture,
                                           CaptureFileOptions options = {}) {
    options.path = dir_.Write("test.pcap", capture.text());
    return Open(options);
  }

  // All packets until kEnd.
  std::vector<FilePacket> ReadToEnd(FileSource* source) {
    std::vector<FilePacket> packets;
    PacketBatch batch(source->BatchBytes());
    while (true) {
      const ReadStatus status = source->Read(&batch, kFilePatience);
      Append(batch, &packets);
      if (status == ReadStatus::kEnd) {
        EXPECT_TRUE(batch.empty());
        EXPECT_EQ(source->Read(&batch, 0), ReadStatus::kEnd);
        return packets;
      }
    }
  }

  static void Append(const PacketBatch& batch, std::vector<FilePacket>* packets) {
    for (const Packet& packet : batch.packets()) {
      packets->push_back({packet.timestamp,
                          {packet.data, packet.data + packet.captured_length},
                          packet.original_length});
    }
  }

  std::vector<FilePacket> ReadCapture(const CaptureWriter& capture,
                                      CaptureFileOptions options = {}) {
    auto source = Open(capture, std::move(options));
    EXPECT_TRUE(source.ok()) << source.error().message;
    return source.ok() ? ReadToEnd(source.value().get()) : std::vector<FilePacket>();
  }

  uint64_t captured() const { return stats_.sources.front().captured_packets.Value(); }
  uint64_t dropped(DropReason reason) const { return stats_.dropped.Value(reason); }

  TempDir dir_;
  PumpStats stats_;
  FakeClock clock_;
  StopEvent stop_;
};

}  // namespace pcap_zmq::testing
