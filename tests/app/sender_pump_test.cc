// SPDX-License-Identifier: MIT
#include "app/sender_pump.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/app/pump_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

PumpOptions Watermarks(uint64_t low, uint64_t high) {
  PumpOptions options;
  options.watermarks.low = low;
  options.watermarks.high = high;
  return options;
}
PumpOptions Passing() {
  return Watermarks(0, 0);
}
PumpOptions Squashing(Codec codec = Codec::kZlib) {
  PumpOptions options = Watermarks(1, 0);
  options.codec = codec;
  return options;
}

class SenderPumpTest : public PumpTest {};

TEST_F(SenderPumpTest, WhilePassingEachBatchGoesOutAtOnceAsOneFrame) {
  const auto pull = Bind();
  uint64_t expected = 0;
  for (const uint32_t count : {3U, 1U, 5U}) {
    script_.Packets(TextBatch(count));
    expected += count;
    script_.Then([this, expected] {
      EXPECT_EQ(stats_.held_packets.Value(), 0);
      EXPECT_EQ(Accepted(), expected) << "before the next batch is asked for";
      ExpectTheLawCloses();
    });
  }
  const auto pump = MakePump(Passing());
  pump->Run(kDrain);
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames[0].header.packet_count, 3U);
  EXPECT_EQ(frames[1].header.packet_count, 1U);
  EXPECT_EQ(frames[2].header.packet_count, 5U);
  for (const ArrivedFrame& frame : frames) {
    EXPECT_EQ(frame.header.codec, Codec::kPlain);
  }
  EXPECT_EQ(Records(frames), script_.records());
  EXPECT_EQ(stats_.squashed_packets.Value(), 0U);
  EXPECT_EQ(stats_.sent_packets.Value(), 9U);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpTest, ABatchLargerThanAFrameIsCutIntoSeveral) {
  const auto pull = Bind();
  script_.Packets(TextBatch(200, 1000));
  const auto pump = MakePump(Passing());
  pump->Run(kDrain);
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  EXPECT_EQ(frames.size(), 2U);
  for (const ArrivedFrame& frame : frames) {
    EXPECT_LE(frame.header.raw_length, kPlainFrameTarget);
  }
  EXPECT_EQ(Records(frames), script_.records());
  ExpectEverythingIsAccountedFor();
}

class SenderPumpCodecTest : public PumpTest, public ::testing::WithParamInterface<Codec> {};

TEST_P(SenderPumpCodecTest, WhileSquashingBatchesAreMergedIntoPackedFramesOf64KiB) {
  const auto pull = Bind();
  for (int i = 0; i < 100; ++i) {
    script_.Packets(TextBatch(20, 1000));
  }
  const auto pump = MakePump(Squashing(GetParam()));
  pump->Run(kDrain);
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  uint64_t raw = 0;
  uint64_t packed = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].header.codec, GetParam());
    EXPECT_LE(frames[i].header.raw_length, kFrameRawTarget);
    if (i + 1 < frames.size()) {
      EXPECT_GT(frames[i].header.raw_length, kFrameRawTarget - 1016) << "frames are filled";
    }
    raw += frames[i].header.raw_length;
    packed += frames[i].wire_bytes - kFrameHeaderBytes;
  }
  EXPECT_EQ(Records(frames), script_.records());
  EXPECT_LT(packed * 4, raw) << "text packs well";
  EXPECT_EQ(stats_.squashed_packets.Value(), 2000U);
  EXPECT_EQ(stats_.squash_input_bytes.Value(), raw);
  EXPECT_EQ(stats_.squash_output_bytes.Value(), packed);
  ExpectEverythingIsAccountedFor();
}

TEST_P(SenderPumpCodecTest, WhatDoesNotPackIsSentPlain) {
  const auto pull = Bind();
  script_.Packets({NoisePacket(1, 1400), NoisePacket(2, 1400)});
  const auto pump = MakePump(Squashing(GetParam()));
  pump->Run(kDrain);
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].wire_bytes, kFrameHeaderBytes + frames[0].header.raw_length);
  EXPECT_EQ(Records(frames), script_.records());
}

INSTANTIATE_TEST_SUITE_P(WithCodec, SenderPumpCodecTest,
                         ::testing::Values(Codec::kZlib, Codec::kZstd), [](const auto& tested) {
                           return tested.param == Codec::kZlib ? "zlib" : "zstd";
                         });

TEST_F(SenderPumpTest, APacketWaitsForTheLingerAndNoLonger) {
  const auto pull = Bind();
  PumpOptions options = Squashing();
  options.squash_linger = 80 * kNanosPerMilli;
  script_.Packets(TextBatch(2));
  const Nanoseconds captured_at = clock_.MonotonicNow();
  script_.Pause(30 * kNanosPerMilli);
  script_.Packets(TextBatch(1));  // does not make the first ones wait longer
  script_.Pause(kNanosPerSecond);
  Nanoseconds released_at = 0;
  script_.AtEachRead([&] {
    if (Captured() == 3 && stats_.held_packets.Value() == 0 && released_at == 0) {
      released_at = clock_.MonotonicNow();
    }
    ExpectTheLawCloses();
  });
  const auto pump = MakePump(options);
  pump->Run(kDrain);
  EXPECT_EQ(released_at - captured_at, options.squash_linger);
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].header.packet_count, 3U);
  // Nobody's age is understated: all three count with that of the first.
  EXPECT_EQ(stats_.capture_to_send.SumMicros(),
            static_cast<uint64_t>(3 * options.squash_linger / kNanosPerMicro));
}

TEST_F(SenderPumpTest, TheAgeOfReplayedPacketsIsNotMeasured) {
  const auto pull = Bind();
  PumpOptions options = Passing();
  options.live = false;
  script_.Packets(TextBatch(5));
  clock_.StepWall(1000 * kNanosPerSecond);
  const auto pump = MakePump(options);
  pump->Run(kDrain);
  EXPECT_EQ(PacketCount(ReceiveStream(pull.get())), 5U);
  EXPECT_EQ(stats_.capture_to_send.SumMicros(), 0U);
  for (size_t i = 0; i <= LatencyHistogram::kBounds.size(); ++i) {
    EXPECT_EQ(stats_.capture_to_send.BucketValue(i), 0U);
  }
}

TEST_F(SenderPumpTest, GoesBackToPassingWhenTheRateFalls) {
  const auto pull = Bind();
  script_.Packets(TextBatch(100, 1000));
  script_.Then([this] { EXPECT_GT(stats_.held_packets.Value(), 0); });
  script_.Pause(2 * kNanosPerSecond);
  script_.Then(
      [this] { EXPECT_EQ(stats_.state.Value(), static_cast<int64_t>(ShaperState::kPass)); });
  script_.Packets(TextBatch(1));
  script_.Then([this] { EXPECT_EQ(stats_.held_packets.Value(), 0); });
  const auto pump = MakePump(Watermarks(50'000, 0));
  pump->Run(kDrain);
  EXPECT_EQ(Records(ReceiveStream(pull.get())), script_.records());
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpTest, APacketLargerThanAFrameGetsAFrameOfItsOwn) {
  const auto pull = Bind();
  script_.Packets({TextPacket(1, 500), NoisePacket(2, 100'000), TextPacket(3, 500)});
  const auto pump = MakePump(Squashing());
  pump->Run(kDrain);
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames[1].header.raw_length, 100'000U + kRecordHeaderBytes);
  EXPECT_EQ(Records(frames), script_.records());
}

TEST_F(SenderPumpTest, AboveTheHighWatermarkOnlyTheExcessIsShed) {
  constexpr uint64_t kHigh = kMiB;
  const auto pull = Bind();
  ScriptedSource::Batch batch;
  for (uint32_t flow = 0; flow < 8; ++flow) {
    batch.push_back(NoisePacket(flow, 1000));
  }
  const auto shared = std::make_shared<const ScriptedSource::Batch>(batch);
  std::vector<uint64_t> wire_bytes;
  for (int second = 0; second < 6; ++second) {
    for (int i = 0; i < 1000; ++i) {
      script_.Packets(shared);
      script_.Pause(kNanosPerMilli);
    }
    script_.Then([&] {
      wire_bytes.push_back(AcceptedBytes());
      ExpectTheLawCloses();
      EXPECT_EQ(stats_.state.Value(), static_cast<int64_t>(ShaperState::kShed));
    });
  }
  const auto pump = MakePump(Watermarks(kHigh / 8, kHigh));
  pump->Run(kDrain);
  ASSERT_EQ(wire_bytes.size(), 6U);
  for (size_t second = 1; second < wire_bytes.size(); ++second) {
    EXPECT_NEAR(static_cast<double>(wire_bytes[second] - wire_bytes[second - 1]), kHigh,
                0.1 * kHigh);
  }
  const uint64_t arrived = PacketCount(ReceiveStream(pull.get()));
  EXPECT_EQ(Captured(), 48'000U);
  EXPECT_EQ(Dropped(DropReason::kShed), 48'000U - arrived);
  EXPECT_EQ(stats_.dropped.Total(), Dropped(DropReason::kShed));
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpTest, APumpWithoutTimeLeftPacksLess) {
  const auto pull = Bind();
  for (int i = 0; i < 12; ++i) {
    // Time that passes while the pump does not wait is time that it needs.
    script_.Then([this] { clock_.Advance(300 * kNanosPerMilli); });
    script_.Packets(TextBatch(20, 1000));
  }
  const auto pump = MakePump(Squashing());
  pump->Run(kDrain);
  EXPECT_EQ(stats_.effort.Value(), static_cast<int64_t>(SquashEffort::kPlain));
  const auto frames = DataFrames(ReceiveStream(pull.get()));
  EXPECT_EQ(frames.front().header.codec, Codec::kZlib);
  EXPECT_EQ(frames.back().header.codec, Codec::kPlain);
  EXPECT_EQ(Records(frames), script_.records());
}

TEST_F(SenderPumpTest, TheRateOfTheTrafficIsShown) {
  const auto pull = Bind();
  for (int i = 0; i < 200; ++i) {
    script_.Packets(TextBatch(10, 100));
    script_.Pause(10 * kNanosPerMilli);
  }
  const auto pump = MakePump(Passing());
  pump->Run(kDrain);
  EXPECT_NEAR(static_cast<double>(stats_.rate_bytes_per_second.Value()), 100'000, 6'000);
}

TEST_F(SenderPumpTest, TheSourceFollowsTheRateAtAShortIntervalWhilePacketsCome) {
  const auto pull = Bind();
  std::vector<Nanoseconds> busy;
  std::vector<Nanoseconds> calm;
  for (int i = 0; i < 100; ++i) {
    script_.Packets(TextBatch(1));
    script_.Pause(kNanosPerMilli);
  }
  script_.Then([&] { busy = script_.followed_at(); });
  script_.Pause(2 * kNanosPerSecond);
  script_.Then([&] { calm = script_.followed_at(); });
  script_.Packets(TextBatch(1));
  const auto pump = MakePump(Passing());
  pump->Run(kDrain);
  ASSERT_EQ(busy.size(), 10U);
  ASSERT_GE(calm.size(), 18U) << "a few times a second, so that the rate is seen to fall";
  for (size_t i = 1; i < busy.size(); ++i) {
    EXPECT_EQ(busy[i] - busy[i - 1], kFollowInterval);
  }
  for (size_t i = busy.size(); i < calm.size(); ++i) {
    EXPECT_LE(calm[i] - calm[i - 1], kNanosPerSecond / 4);
  }
}

TEST_F(SenderPumpTest, BothDirectionsOfEachFlowGoToTheSameEndpoint) {
  constexpr uint32_t kFlows = 60;
  const auto first = Bind(0);
  const auto second = Bind(1);
  for (uint32_t flow = 0; flow < kFlows; ++flow) {
    const auto port = static_cast<uint16_t>(20'000 + flow);
    script_.Packets({Ipv4Packet("question", 0x0a000001, 0xc0000201, {port, 80}, kTcp),
                     Ipv4Packet("answer", 0xc0000201, 0x0a000001, {80, port}, kTcp)});
  }
  const auto pump = MakePump(Passing(), {}, 2);
  pump->Run(kDrain);
  uint64_t arrived = 0;
  for (PullSocket* pull : {first.get(), second.get()}) {
    const auto frames = DataFrames(ReceiveStream(pull));
    for (const ArrivedFrame& frame : frames) {
      EXPECT_EQ(frame.header.packet_count, 2U) << "question and answer";
    }
    EXPECT_GT(frames.size(), kFlows / 4) << "both get flows";
    arrived += PacketCount(frames);
  }
  EXPECT_EQ(arrived, 2 * kFlows);
  ExpectEverythingIsAccountedFor();
}

TEST_F(SenderPumpTest, ControlFramesComeFirstEachSecondAndLast) {
  const auto pull = Bind();
  script_.Until([this] { return stats_.connected_endpoints.Value() == 1; });
  uint64_t before = 0;
  script_.Then([&] { before = stats_.sent_frames.Value(); });
  script_.Pause(10 * kNanosPerSecond);
  script_.Packets(TextBatch(3));
  const auto pump = MakePump(Passing());
  pump->Run(kDrain);
  const auto frames = ReceiveStream(pull.get());
  EXPECT_TRUE(frames.front().header.control);
  EXPECT_FALSE(frames.front().header.last);
  EXPECT_EQ(frames.front().header.first_ordinal, 0U);
  const size_t controls = frames.size() - DataFrames(frames).size();
  EXPECT_GE(controls, 10U);
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].header.sequence, i);
    EXPECT_EQ(frames[i].header.last, i + 1 == frames.size());
    EXPECT_EQ(frames[i].header.stream_id, frames[0].header.stream_id);
  }
  EXPECT_TRUE(frames.back().header.control);
  EXPECT_EQ(frames.back().header.first_ordinal, 3U);
  const auto report = nlohmann::json::parse(frames.back().control);
  EXPECT_EQ(report.at("name"), "gw1");
  EXPECT_EQ(report.at("captured"), 3);
  EXPECT_EQ(frames.size(), stats_.sent_frames.Value());
}

}  // namespace
}  // namespace pcap_zmq::testing
