// SPDX-License-Identifier: MIT
#include "source/capture_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "source/file_source.h"
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
using testing::kFilePatience;
using testing::kStart;

// A pipe whose writing end the test holds.
class CaptureStreamTest : public FileSourceTest {
 protected:
  void SetUp() override {
    path_ = dir_.File("fifo");
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    // Both ends, so that opening does not wait.
    writer_.Reset(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(writer_.valid());
  }

  void Write(std::string_view text) {
    ASSERT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // Feeds `text` byte by byte behind its first `header` bytes, and returns how many bytes were
  // written when each packet was delivered.
  std::vector<size_t> FeedByteByByte(const std::string& text, size_t header) {
    Write(text.substr(0, header));
    auto source = Open(CaptureFileOptions{.path = path_});
    EXPECT_TRUE(source.ok()) << source.error().message;
    std::vector<size_t> delivered_at;
    PacketBatch batch(source.value()->BatchBytes());
    EXPECT_EQ(source.value()->Read(&batch, 0), ReadStatus::kNothing);
    for (size_t at = header; at < text.size(); ++at) {
      Write(text.substr(at, 1));
      source.value()->Read(&batch, 0);
      for (size_t i = 0; i < batch.size(); ++i) {
        delivered_at.push_back(at + 1);
      }
    }
    writer_.Reset();
    EXPECT_EQ(source.value()->Read(&batch, kFilePatience), ReadStatus::kEnd);
    EXPECT_TRUE(std::isnan(source.value()->Progress()));
    return delivered_at;
  }

  std::string path_;
  UniqueFd writer_;
};

TEST_F(CaptureStreamTest, PcapThatArrivesByteByByteIsFilePacketAsSoonAsAPacketIsWhole) {
  for (const bool swapped : {false, true}) {
    CaptureWriter capture({.link_type = 101, .swapped = swapped});
    capture.Add(kStart, Ipv4Packet("one"));
    const size_t first = capture.bytes().size();
    capture.Add(kStart, Ipv4Packet("two!"));
    EXPECT_EQ(FeedByteByByte(capture.text(), 24),
              (std::vector<size_t>{first, capture.bytes().size()}));
    writer_.Reset(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  }
}

TEST_F(CaptureStreamTest, OldVersionsThatExchangeTheLengthsAreFollowedToo) {
  for (const uint16_t version : {uint16_t{2}, uint16_t{3}}) {
    CaptureWriter capture({.link_type = 101});
    capture.Add(kStart, Ipv4Packet("one"), 5000);
    std::string text = capture.text();
    std::swap_ranges(text.begin() + 32, text.begin() + 36, text.begin() + 36);
    text[6] = static_cast<char>(version);
    EXPECT_EQ(FeedByteByByte(text, 24), std::vector<size_t>{text.size()}) << version;
    writer_.Reset(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  }
}

TEST_F(CaptureStreamTest, PcapngThatArrivesByteByByteIsFilePacketAsSoonAsAPacketIsWhole) {
  testing::PcapngWriter capture(101, 0, 9);
  const size_t header = capture.text().size();
  capture.Add(kStart, Ipv4Packet("one"));
  const size_t first = capture.text().size();
  capture.AddBlock(5, Bytes(12));  // statistics, no packet
  capture.Add(kStart, Ipv4Packet("two"));
  EXPECT_EQ(FeedByteByByte(capture.text(), header),
            (std::vector<size_t>{first, capture.text().size()}));
}

TEST_F(CaptureStreamTest, BlocksWithoutAPacketAreReadBeforeTheyFillTheMemory) {
  constexpr size_t kMostKept = size_t{20} * 1024 * 1024;
  testing::PcapngWriter header(101, 0, 9);
  testing::PcapngWriter comments(101, 0, 9);
  const size_t start = comments.text().size();
  comments.AddBlock(0xbad, Bytes(32'768));
  const std::string comment = comments.text().substr(start);
  Write(header.text());
  CaptureStream stream(UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), &stop_);
  size_t written = 0;
  while (!stream.Ready() && written < kMostKept) {
    Write(comment);
    written += comment.size();
  }
  EXPECT_LT(written, kMostKept);
}

TEST_F(CaptureStreamTest, PacketBehindManyBlocksWithoutOneArrives) {
  testing::PcapngWriter capture(101, 0, 9);
  for (int i = 0; i < 600; ++i) {
    capture.AddBlock(0xbad, Bytes(32'768));
  }
  capture.Add(kStart, Ipv4Packet("one"));
  const std::string text = capture.text();
  std::thread writer([&] {
    Write(text);
    writer_.Reset();
  });
  auto source = Open(CaptureFileOptions{.path = path_});
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(ReadToEnd(source.value().get()).size(), 1U);
  writer.join();
}

TEST_F(CaptureStreamTest, HeaderInPiecesIsWaitedFor) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("one"));
  const std::string text = capture.text();
  std::thread writer([&] {
    for (size_t at = 0; at < text.size(); at += 5) {
      Write(text.substr(at, 5));
    }
  });
  auto source = Open(CaptureFileOptions{.path = path_});
  writer.join();
  writer_.Reset();
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(ReadToEnd(source.value().get()).size(), 1U);
}

TEST_F(CaptureStreamTest, WriterThatDiesInAPacketLosesThatPacketOnly) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("one"));
  capture.Add(kStart, Ipv4Packet("two"));
  const std::string text = capture.text();
  Write(text.substr(0, text.size() - 3));
  auto source = Open(CaptureFileOptions{.path = path_});
  ASSERT_TRUE(source.ok()) << source.error().message;
  writer_.Reset();
  EXPECT_EQ(ReadToEnd(source.value().get()).size(), 1U);
}

TEST_F(CaptureStreamTest, SilentWriterIsWaitedForNoLongerThanTheTimeoutOrTheStop) {
  CaptureWriter capture({.link_type = 101});
  capture.Add(kStart, Ipv4Packet("one"));
  const std::string text = capture.text();
  Write(text.substr(0, text.size() - 3));
  auto source = Open(CaptureFileOptions{.path = path_});
  ASSERT_TRUE(source.ok()) << source.error().message;
  PacketBatch batch(source.value()->BatchBytes());
  EXPECT_EQ(source.value()->Read(&batch, kNanosPerMilli), ReadStatus::kNothing);
  stop_.Request(0);
  EXPECT_EQ(source.value()->Read(&batch, 86400 * kNanosPerSecond), ReadStatus::kNothing);
}

TEST_F(CaptureStreamTest, StopEndsTheWaitForAWriterThatNeverBegins) {
  stop_.Request(0);
  const auto source = Open(CaptureFileOptions{.path = path_});
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().kind, ErrorKind::kConfig);
}

TEST_F(CaptureStreamTest, NoiseInThePipeIsRefusedLikeInAFile) {
  Write(std::string(100, 'a'));
  const auto source = Open(CaptureFileOptions{.path = path_});
  ASSERT_FALSE(source.ok());
  EXPECT_NE(source.error().message.find(path_), std::string::npos);
}

TEST_F(CaptureStreamTest, MoreThanThePipeHoldsComesThroughInOrder) {
  CaptureWriter capture({.link_type = 101, .nanoseconds = true});
  constexpr int kPackets = 2000;
  for (int i = 0; i < kPackets; ++i) {
    capture.Add(kStart + i, Ipv4Packet(std::string(static_cast<size_t>(i), 'x')));
  }
  const std::string text = capture.text();
  std::thread writer([&] {
    Write(text);
    writer_.Reset();
  });
  auto source = Open(CaptureFileOptions{.path = path_});
  ASSERT_TRUE(source.ok()) << source.error().message;
  const std::vector<FilePacket> packets = ReadToEnd(source.value().get());
  writer.join();
  ASSERT_EQ(packets.size(), static_cast<size_t>(kPackets));
  for (int i = 0; i < kPackets; ++i) {
    ASSERT_EQ(packets[static_cast<size_t>(i)].timestamp, kStart + i);
    ASSERT_EQ(packets[static_cast<size_t>(i)].bytes,
              Ipv4Packet(std::string(static_cast<size_t>(i), 'x')));
  }
}

}  // namespace
}  // namespace pcap_zmq
