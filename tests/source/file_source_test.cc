// SPDX-License-Identifier: MIT
#include "source/file_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/source/capture_writer.h"
#include "tests/source/file_fixture.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::CaptureWriter;
using testing::FilePacket;
using testing::FileSourceTest;
using testing::Ipv4Packet;
using testing::Ipv6Packet;
using testing::kStart;

TEST_F(FileSourceTest, BothByteOrdersAndBothPrecisionsGiveTheSamePackets) {
  for (const bool swapped : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      CaptureWriter capture({.link_type = 101, .swapped = swapped, .nanoseconds = nanoseconds});
      capture.Add(kStart + 123'456'000, Ipv4Packet("one"));
      capture.Add(kStart + kNanosPerSecond - 1000, Ipv6Packet("two"), 1400);
      const std::vector<FilePacket> packets = ReadCapture(capture);
      ASSERT_EQ(packets.size(), 2U);
      EXPECT_EQ(packets[0].timestamp, kStart + 123'456'000);
      EXPECT_EQ(packets[0].bytes, Ipv4Packet("one"));
      EXPECT_EQ(packets[0].original_length, Ipv4Packet("one").size());
      EXPECT_EQ(packets[1].timestamp, kStart + kNanosPerSecond - 1000);
      EXPECT_EQ(packets[1].bytes, Ipv6Packet("two"));
      EXPECT_EQ(packets[1].original_length, 1400U);
    }
  }
}

TEST_F(FileSourceTest, NanosecondsAreKept) {
  CaptureWriter capture({.link_type = 101, .nanoseconds = true});
  capture.Add(kStart + 123'456'789, Ipv4Packet("x"));
  EXPECT_EQ(ReadCapture(capture).at(0).timestamp, kStart + 123'456'789);
}

TEST_F(FileSourceTest, EveryKnownLinkTypeIsCutDownToTheSameIpPacket) {
  const Bytes whole = Ipv4Packet(std::string(107, 'x'));
  const Bytes ip(whole.begin(), whole.end() - 100);
  const std::vector<std::pair<uint32_t, Bytes>> headers = {
      {1, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 0}},
      {1, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0x81, 0, 0, 5, 8, 0}},
      {1, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0}},
      {113, {0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0}},
      {276, {8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0}},
      {0, {2, 0, 0, 0}},
      {108, {0, 0, 0, 2}},
      {101, {}},
      {228, {}},
  };
  for (const auto& [link_type, header] : headers) {
    Bytes frame = header;
    frame.insert(frame.end(), ip.begin(), ip.end());
    CaptureWriter capture({.link_type = link_type});
    capture.Add(kStart, frame, static_cast<uint32_t>(header.size() + whole.size()));
    const std::vector<FilePacket> packets = ReadCapture(capture);
    ASSERT_EQ(packets.size(), 1U) << link_type;
    EXPECT_EQ(packets[0].bytes, ip) << link_type;
    EXPECT_EQ(packets[0].original_length, whole.size()) << link_type;
  }
}

TEST_F(FileSourceTest, FramesWithoutIpAreCapturedAndDroppedByLinkType) {
  CaptureWriter capture({.link_type = 1});
  Bytes arp(42);
  arp[12] = 0x08;
  arp[13] = 0x06;
  capture.Add(kStart, arp);
  capture.Add(kStart, Bytes(3));
  EXPECT_TRUE(ReadCapture(capture).empty());
  EXPECT_EQ(captured(), 2U);
  EXPECT_EQ(stats_.sources.front().captured_bytes.Value(), 45U);
  EXPECT_EQ(dropped(DropReason::kLinkType), 2U);
  EXPECT_EQ(stats_.sources.front().label, "file:" + dir_.File("test.pcap"));
}

TEST_F(FileSourceTest, LinkTypeWithoutIpIsRefusedByName) {
  const auto source = Open(CaptureWriter({.link_type = 189}));
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().kind, ErrorKind::kConfig);
  EXPECT_NE(source.error().message.find("USB_LINUX"), std::string::npos) << source.error().message;
}

TEST_F(FileSourceTest, PacketsAreCutToTheSnaplenAndKeepTheirLength) {
  CaptureWriter capture({.link_type = 101});
  const Bytes packet = Ipv4Packet(std::string(1000, 'x'));
  capture.Add(kStart, packet);
  const std::vector<FilePacket> packets = ReadCapture(capture, {.snaplen = 96});
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes, Bytes(packet.begin(), packet.begin() + 96));
  EXPECT_EQ(packets[0].original_length, packet.size());
  EXPECT_EQ(stats_.sources.front().captured_bytes.Value(), 96U);
}

// A frame of Ethernet has 60 bytes at least, and a network card may leave its checksum behind it.
TEST_F(FileSourceTest, WhatFollowsThePacketInItsFrameIsCutOff) {
  const Bytes header = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 0};
  Bytes header6 = header;
  header6[12] = 0x86;
  header6[13] = 0xdd;
  const auto padded = [](Bytes frame, const Bytes& ip, size_t padding) {
    frame.insert(frame.end(), ip.begin(), ip.end());
    frame.resize(frame.size() + padding, 0xaa);
    return frame;
  };
  const Bytes four = Ipv4Packet("ack");
  const Bytes six = Ipv6Packet("ack");
  CaptureWriter capture({.link_type = 1});
  capture.Add(kStart, padded(header, four, 15));
  capture.Add(kStart, padded(header6, six, 4));
  // Cut amid the padding, which the frame's length still counts.
  capture.Add(kStart, padded(header, four, 10), static_cast<uint32_t>(14 + four.size() + 15));
  // At the packet's end, and within it.
  capture.Add(kStart, padded(header, four, 0), static_cast<uint32_t>(14 + four.size() + 15));
  capture.Add(kStart, padded(header, {four.begin(), four.end() - 1}, 0),
              static_cast<uint32_t>(14 + four.size() + 15));
  const std::vector<FilePacket> packets = ReadCapture(capture);
  ASSERT_EQ(packets.size(), 5U);
  EXPECT_EQ(packets[0].bytes, four);
  EXPECT_EQ(packets[0].original_length, four.size());
  EXPECT_EQ(packets[1].bytes, six);
  EXPECT_EQ(packets[1].original_length, six.size());
  EXPECT_EQ(packets[2].bytes, four);
  EXPECT_EQ(packets[2].original_length, four.size());
  EXPECT_EQ(packets[3].bytes, four);
  EXPECT_EQ(packets[3].original_length, four.size());
  EXPECT_EQ(packets[4].bytes, Bytes(four.begin(), four.end() - 1));
  EXPECT_EQ(packets[4].original_length, four.size());
  EXPECT_EQ(stats_.sources.front().captured_bytes.Value(), 4 * four.size() - 1 + six.size());
}

TEST_F(FileSourceTest, APacketThatWasCutWhenItWasCapturedKeepsItsLength) {
  Bytes frame = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 0};
  const Bytes ip = Ipv4Packet(std::string(1000, 'x'));
  frame.insert(frame.end(), ip.begin(), ip.begin() + 60);
  CaptureWriter capture({.link_type = 1});
  capture.Add(kStart, frame, static_cast<uint32_t>(14 + ip.size()));
  const std::vector<FilePacket> packets = ReadCapture(capture);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes, Bytes(ip.begin(), ip.begin() + 60));
  EXPECT_EQ(packets[0].original_length, ip.size());
}

TEST_F(FileSourceTest, AHeaderWithoutALengthCutsNothing) {
  Bytes frame = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 0};
  Bytes ip = Ipv4Packet("merged by the card, so without a length");
  ip[2] = 0;
  ip[3] = 0;
  frame.insert(frame.end(), ip.begin(), ip.end());
  CaptureWriter capture({.link_type = 1});
  capture.Add(kStart, frame);
  const std::vector<FilePacket> packets = ReadCapture(capture);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes, ip);
  EXPECT_EQ(packets[0].original_length, ip.size());
}

TEST_F(FileSourceTest, OriginalLengthIsNeverBelowWhatWasCaptured) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("liar"), 1);
  EXPECT_EQ(ReadCapture(capture).at(0).original_length, Ipv4Packet("liar").size());
}

TEST_F(FileSourceTest, FilterTakesOnlyWhatItNames) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("no", 1, 2, {.source = 5, .destination = 80}));
  capture.Add(kStart, Ipv4Packet("yes", 1, 2, {.source = 5, .destination = 53}));
  const std::vector<FilePacket> packets = ReadCapture(capture, {.filter = "udp dst port 53"});
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes, Ipv4Packet("yes", 1, 2, {.source = 5, .destination = 53}));
  EXPECT_EQ(captured(), 1U);
}

TEST_F(FileSourceTest, FilterThatDoesNotCompileIsRefusedWithLibpcapsReason) {
  const auto source = Open(CaptureWriter({.link_type = 101}), {.filter = "port eighty-ish"});
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().kind, ErrorKind::kConfig);
  EXPECT_NE(source.error().message.find("eighty-ish"), std::string::npos) << source.error().message;
  EXPECT_TRUE(stats_.sources.empty());
}

TEST_F(FileSourceTest, EmptyMissingAndForeignFilesAreRefusedByPath) {
  const std::vector<std::string> paths = {
      dir_.Write("empty", ""), dir_.File("missing"), dir_.Write("text", std::string(100, 'a')),
      dir_.Write("short", std::string("\xd4\xc3\xb2\xa1", 4)), dir_.path()};
  for (const std::string& path : paths) {
    const auto source = Open(CaptureFileOptions{.path = path});
    ASSERT_FALSE(source.ok()) << path;
    EXPECT_EQ(source.error().kind, ErrorKind::kConfig) << path;
    EXPECT_NE(source.error().message.find(path), std::string::npos) << source.error().message;
    EXPECT_EQ(source.error().message.find('\n'), std::string::npos) << source.error().message;
  }
  EXPECT_TRUE(stats_.sources.empty());
}

TEST_F(FileSourceTest, FileCutAtAnyByteDeliversTheWholePacketsBefore) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("first"));
  const size_t first_end = capture.bytes().size();
  capture.Add(kStart, Ipv4Packet("second"));
  const std::string text = capture.text();
  ::testing::internal::CaptureStderr();  // a warning for each length
  for (size_t length = 24; length < text.size(); ++length) {
    auto source = Open(CaptureFileOptions{.path = dir_.Write("cut", text.substr(0, length))});
    ASSERT_TRUE(source.ok()) << source.error().message;
    EXPECT_EQ(ReadToEnd(source.value().get()).size(), length >= first_end ? 1U : 0U) << length;
    EXPECT_EQ(source.value()->Progress(), 1.0);
  }
  ::testing::internal::GetCapturedStderr();
}

TEST_F(FileSourceTest, CutFileIsWarnedOfOnceAndByPath) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("first"));
  const std::string text = capture.text();
  auto source =
      Open(CaptureFileOptions{.path = dir_.Write("cut", text.substr(0, text.size() - 1))});
  ASSERT_TRUE(source.ok());
  ::testing::internal::CaptureStderr();
  ReadToEnd(source.value().get());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_NE(log.find("warning"), std::string::npos) << log;
  EXPECT_NE(log.find(dir_.File("cut")), std::string::npos) << log;
}

TEST_F(FileSourceTest, CaptureWithoutPacketsEndsAtOnce) {
  EXPECT_TRUE(ReadCapture(CaptureWriter({.link_type = 1})).empty());
}

TEST_F(FileSourceTest, PcapngIsReadWithItsTimestampResolution) {
  testing::PcapngWriter capture(101, 0, 9);
  capture.Add(kStart + 123'456'789, Ipv4Packet("nano"));
  capture.Add(kStart + 1, Ipv6Packet("next"));
  auto source = Open(CaptureFileOptions{.path = dir_.Write("test.pcapng", capture.text())});
  ASSERT_TRUE(source.ok()) << source.error().message;
  const std::vector<FilePacket> packets = ReadToEnd(source.value().get());
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].timestamp, kStart + 123'456'789);
  EXPECT_EQ(packets[0].bytes, Ipv4Packet("nano"));
  EXPECT_EQ(packets[1].bytes, Ipv6Packet("next"));
}

TEST_F(FileSourceTest, PacketLargerThanAnyReaderAcceptsIsCountedAsOversized) {
  testing::PcapngWriter capture(101, 1'000'000, 9);
  Bytes huge = Ipv4Packet("x");
  huge.resize(kMaxCapturedLength + 1);
  capture.Add(kStart, huge);
  huge.resize(kMaxCapturedLength);
  capture.Add(kStart, huge);
  auto source = Open(CaptureFileOptions{.path = dir_.Write("test.pcapng", capture.text()),
                                        .snaplen = kMaxCapturedLength});
  ASSERT_TRUE(source.ok()) << source.error().message;
  const std::vector<FilePacket> packets = ReadToEnd(source.value().get());
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes, huge);
  EXPECT_EQ(captured(), 2U);
  EXPECT_EQ(dropped(DropReason::kOversized), 1U);
}

TEST_F(FileSourceTest, TimestampsBeyondTheFramesRangeAreClampedAndDoNotOverflow) {
  testing::PcapngWriter capture(101, 0, 0);  // whole seconds: 64 bits of them
  capture.AddRaw(INT64_MAX, Ipv4Packet("x"));
  auto source = Open(CaptureFileOptions{.path = dir_.Write("test.pcapng", capture.text())});
  ASSERT_TRUE(source.ok()) << source.error().message;
  const std::vector<FilePacket> packets = ReadToEnd(source.value().get());
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_LE(packets[0].timestamp / kNanosPerSecond, int64_t{UINT32_MAX});
  EXPECT_GE(packets[0].timestamp, 0);
}

TEST_F(FileSourceTest, ReplayDeliversPacketsWhenTheyAreDueAndKeepsTheirTimestamps) {
  CaptureWriter capture({.link_type = 101, .nanoseconds = true});
  for (const Nanoseconds at : {0, 10, 1000, 2000}) {
    capture.Add(kStart + at * kNanosPerMilli, Ipv4Packet("x"));
  }
  auto source = Open(capture, {.replay_speed = 2});
  ASSERT_TRUE(source.ok()) << source.error().message;
  PacketBatch batch(source.value()->BatchBytes());
  const auto read = [&] {
    source.value()->Read(&batch, 0);
    return batch.size();
  };
  clock_.Advance(kNanosPerSecond);  // the replay begins with the first Read()
  EXPECT_EQ(read(), 1U);
  EXPECT_EQ(read(), 0U);
  clock_.Advance(5 * kNanosPerMilli - 1);
  EXPECT_EQ(read(), 0U);
  clock_.Advance(1);
  ASSERT_EQ(read(), 1U);
  EXPECT_EQ(batch.packets()[0].timestamp, kStart + 10 * kNanosPerMilli);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(read(), 2U);
  EXPECT_EQ(source.value()->Read(&batch, 0), ReadStatus::kEnd);
}

TEST_F(FileSourceTest, ReplayThatIsNotDueWaitsNoLongerThanTheTimeoutOrTheStop) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("x"));
  capture.Add(kStart + 365 * 86400 * kNanosPerSecond, Ipv4Packet("next year"));
  auto source = Open(capture, {.replay_speed = 0.001});
  ASSERT_TRUE(source.ok()) << source.error().message;
  PacketBatch batch(source.value()->BatchBytes());
  EXPECT_EQ(source.value()->Read(&batch, 0), ReadStatus::kPackets);
  EXPECT_EQ(source.value()->Read(&batch, kNanosPerMilli), ReadStatus::kNothing);
  stop_.Request(0);
  EXPECT_EQ(source.value()->Read(&batch, 86400 * kNanosPerSecond), ReadStatus::kNothing);
  source.value()->StopIntake();
  EXPECT_EQ(source.value()->Read(&batch, 0), ReadStatus::kEnd);
}

TEST_F(FileSourceTest, ReplayOnTheRealClockWakesForEachPacket) {
  SystemClock clock;
  CaptureWriter capture({.link_type = 101, .nanoseconds = true});
  for (int i = 0; i < 5; ++i) {
    capture.Add(kStart + i * kNanosPerMilli, Ipv4Packet("x"));
  }
  auto source = FileSource::OpenFile(
      {.path = dir_.Write("paced", capture.text()), .replay_speed = 1}, &stats_, &clock, &stop_);
  ASSERT_TRUE(source.ok()) << source.error().message;
  const Nanoseconds start = clock.MonotonicNow();
  EXPECT_EQ(ReadToEnd(source.value().get()).size(), 5U);
  EXPECT_GE(clock.MonotonicNow() - start, 4 * kNanosPerMilli);
}

TEST_F(FileSourceTest, ReplaySpeedThatIsNoSpeedIsRefused) {
  for (const double speed : {-1.0, std::nan(""), HUGE_VAL}) {
    const auto source = Open(CaptureWriter({.link_type = 101}), {.replay_speed = speed});
    ASSERT_FALSE(source.ok());
    EXPECT_EQ(source.error().kind, ErrorKind::kConfig);
  }
}

TEST_F(FileSourceTest, LargeFileComesInSeveralBatchesInOrderWithGrowingProgress) {
  CaptureWriter capture({.link_type = 101});
  constexpr int kPackets = 3000;
  for (int i = 0; i < kPackets; ++i) {
    capture.Add(kStart + i * kNanosPerMicro, Ipv4Packet(std::string(1000, 'x')));
  }
  auto source = Open(capture);
  ASSERT_TRUE(source.ok()) << source.error().message;
  PacketBatch batch(source.value()->BatchBytes());
  int next = 0;
  int batches = 0;
  double progress = 0;
  EXPECT_EQ(source.value()->Progress(), 0);
  while (source.value()->Read(&batch, 0) == ReadStatus::kPackets) {
    ++batches;
    EXPECT_GT(source.value()->Progress(), progress);
    progress = source.value()->Progress();
    for (const Packet& packet : batch.packets()) {
      EXPECT_EQ(packet.timestamp, kStart + next++ * kNanosPerMicro);
    }
  }
  EXPECT_EQ(next, kPackets);
  EXPECT_GT(batches, 5);
  EXPECT_EQ(source.value()->Progress(), 1);
  EXPECT_EQ(captured(), static_cast<uint64_t>(kPackets));
}

}  // namespace
}  // namespace pcap_zmq
