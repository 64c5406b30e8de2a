// SPDX-License-Identifier: MIT
//
// A pump between a scripted source and real sockets.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "app/ledger.h"
#include "app/sender_pump.h"
#include "codec/frame_decoder.h"
#include "codec/frame_format.h"
#include "codec/sender_table.h"
#include "tests/support/fake_clock.h"
#include "tests/support/packet_builder.h"
#include "tests/support/scripted_source.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "transport/pull_socket.h"

namespace pcap_zmq::testing {

/// A frame at the far end of the wire.
struct ArrivedFrame {
  FrameHeader header;
  size_t wire_bytes = 0;
  Bytes records;        ///< unpacked; empty for a control frame
  std::string control;  ///< the payload of a control frame
};

class PumpTest : public ::testing::Test {
 protected:
  static constexpr Nanoseconds kDrain = 3600 * kNanosPerSecond;

  std::string Endpoint(int number = 0) const {
    return "ipc://" + directory_.File("socket" + std::to_string(number));
  }

  std::unique_ptr<PullSocket> Bind(int number = 0) {
    PullOptions options;
    options.endpoint = Endpoint(number);
    // What a pump sends waits here until it has ended.
    options.buffer_frames = 1000;
    auto pull = PullSocket::Bind(context_, options, &receiver_stats_);
    EXPECT_TRUE(pull.ok()) << pull.error().message;
    return pull.ok() ? pull.Take() : nullptr;
  }

  /// A pump that takes the script and sends to the first `endpoints` endpoints.
  std::unique_ptr<SenderPump> MakePump(const PumpOptions& options, PushOptions push_options = {},
                                       int endpoints = 1) {
    std::vector<std::unique_ptr<PushSocket>> sockets;
    for (int i = 0; i < endpoints; ++i) {
      push_options.endpoint = Endpoint(i);
      auto socket = PushSocket::Connect(context_, push_options);
      EXPECT_TRUE(socket.ok()) << socket.error().message;
      sockets.push_back(socket.Take());
    }
    return std::make_unique<SenderPump>(
        options, std::move(owned_script_), std::move(sockets),
        [this] { return ControlPayload("gw1", 7, SumLedger({&stats_}), 0); }, &stats_, &clock_,
        &stop_);
  }

  /// Frames up to the stream's last, checked as a receiver would.
  std::vector<ArrivedFrame> ReceiveStream(PullSocket* pull) {
    ReceiverStats stats;
    SenderTable senders(4, &clock_);
    FrameDecoder decoder(&senders, &stats);
    std::vector<ArrivedFrame> arrived;
    Frame message;
    while (arrived.empty() || !arrived.back().header.last) {
      const bool came =
          WaitUntil([&] { return pull->Receive(&message) || pull->Wait({}, 10 * kNanosPerMilli); },
                    kGenerously, std::chrono::milliseconds(0));
      if (!came) {
        ADD_FAILURE() << "the stream has no last frame";
        return arrived;
      }
      RejectReason reason{};
      const auto header = ParseFrameHeader(message.bytes(), &reason);
      if (!header) {
        ADD_FAILURE() << "a frame that no receiver takes: " << Label(reason);
        return arrived;
      }
      ArrivedFrame frame{*header, message.size(), {}, {}};
      if (header->control) {
        frame.control.assign(message.bytes().begin() + kFrameHeaderBytes, message.bytes().end());
      }
      std::vector<RecordBlockPtr> blocks;
      decoder.Decode(std::move(message), &blocks);
      for (const RecordBlockPtr& block : blocks) {
        frame.records.insert(frame.records.end(), block->records.begin(), block->records.end());
      }
      arrived.push_back(std::move(frame));
    }
    EXPECT_EQ(stats.rejected_frames.Total(), 0U);
    return arrived;
  }

  static std::vector<ArrivedFrame> DataFrames(std::vector<ArrivedFrame> frames) {
    std::erase_if(frames, [](const ArrivedFrame& frame) { return frame.header.control; });
    return frames;
  }
  static Bytes Records(const std::vector<ArrivedFrame>& frames) {
    Bytes records;
    for (const ArrivedFrame& frame : frames) {
      records.insert(records.end(), frame.records.begin(), frame.records.end());
    }
    return records;
  }
  static uint64_t PacketCount(const std::vector<ArrivedFrame>& frames) {
    return std::accumulate(
        frames.begin(), frames.end(), uint64_t{0},
        [](uint64_t sum, const ArrivedFrame& frame) { return sum + frame.header.packet_count; });
  }

  /// Text that packs well.
  static Bytes TextPacket(uint32_t flow, size_t bytes) {
    std::string body;
    while (body.size() < bytes) {
      body += "GET /index.html HTTP/1.1 of flow " + std::to_string(flow) + "\r\n";
    }
    return Ipv4Packet(body.substr(0, bytes - kUdpHeaders), 0x0a000000 + flow);
  }
  /// Noise that does not pack at all.
  Bytes NoisePacket(uint32_t flow, size_t bytes) {
    std::string body(bytes - kUdpHeaders, ' ');
    std::generate(body.begin(), body.end(), [this] { return static_cast<char>(random_()); });
    return Ipv4Packet(body, 0x0a000000 + flow);
  }
  static ScriptedSource::Batch TextBatch(uint32_t count, size_t bytes = 200) {
    ScriptedSource::Batch batch;
    for (uint32_t i = 0; i < count; ++i) {
      batch.push_back(TextPacket(i, bytes));
    }
    return batch;
  }

  uint64_t Captured() const { return stats_.sources.front().captured_packets.Value(); }
  uint64_t Dropped(DropReason reason) const { return stats_.dropped.Value(reason); }
  /// Packets that ZeroMQ has taken.
  uint64_t Accepted() const {
    return stats_.sent_packets.Value() + static_cast<uint64_t>(stats_.buffered_packets.Value());
  }
  uint64_t AcceptedBytes() const {
    return stats_.sent_bytes.Value() + static_cast<uint64_t>(stats_.buffered_bytes.Value());
  }

  void ExpectTheLawCloses() const {
    const SenderLedger ledger = SumLedger({&stats_});
    const uint64_t dropped =
        std::accumulate(ledger.dropped.begin(), ledger.dropped.end(), uint64_t{0});
    EXPECT_EQ(ledger.captured, ledger.sent + dropped + ledger.held + ledger.buffered)
        << Summary(ledger) << ", held " << ledger.held << ", buffered " << ledger.buffered;
  }
  /// The law once the pump has ended: nothing is on its way any more.
  void ExpectEverythingIsAccountedFor() const {
    ExpectTheLawCloses();
    EXPECT_EQ(stats_.held_packets.Value(), 0);
    EXPECT_EQ(stats_.buffered_packets.Value(), 0);
    EXPECT_EQ(stats_.buffered_bytes.Value(), 0);
  }

  static constexpr size_t kUdpHeaders = 28;

  TempDir directory_;
  std::mt19937 random_{7};
  FakeClock clock_;
  StopEvent stop_;
  PumpStats stats_;
  ReceiverStats receiver_stats_;
  ZmqContext context_{1};

 private:
  std::unique_ptr<ScriptedSource> owned_script_ =
      std::make_unique<ScriptedSource>(&clock_, &stats_);

 protected:
  ScriptedSource& script_ = *owned_script_;  // gone with the pump
};

}  // namespace pcap_zmq::testing
