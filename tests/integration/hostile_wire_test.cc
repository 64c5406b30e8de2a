// SPDX-License-Identifier: MIT
//
// What anybody who reaches the receiver's port can send: it is refused and counted, and the
// neighbours' packets still arrive.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/codec/hostile_streams.h"
#include "tests/integration/hostile_fixture.h"

namespace pcap_zmq::testing {
namespace {

class HostileWire : public HostileTest {};

TEST_F(HostileWire, RandomBytesAreRefused) {
  std::mt19937 random(20250301);
  constexpr int kMessages = 2000;
  for (int i = 0; i < kMessages; ++i) {
    Bytes message(1 + random() % 3000);
    for (uint8_t& byte : message) {
      byte = static_cast<uint8_t>(random());
    }
    ASSERT_NO_FATAL_FAILURE(SendHostile(message));
  }
  EXPECT_TRUE(WaitUntil([] { return Rejected() == kMessages; })) << Rejected();
}

TEST_F(HostileWire, AnEmptyMessageIsRefused) {
  ASSERT_NO_FATAL_FAILURE(SendHostile({}));
  ExpectRejected(1, "too_short");
}

TEST_F(HostileWire, EveryTruncationOfAFrameIsRefused) {
  const Bytes payload = Records(2);
  const Bytes frame = MakeFrame(ValidFields(payload), payload);
  for (size_t size = 1; size < frame.size(); ++size) {
    ASSERT_NO_FATAL_FAILURE(SendHostile({frame.data(), size}));
  }
  const auto all = static_cast<double>(frame.size() - 1);
  EXPECT_TRUE(WaitUntil([&] { return Rejected() == all; })) << Rejected();
}

TEST_F(HostileWire, TruncatedPackedPayloadsAreRefused) {
  const Bytes payload = Records(2);
  const Bytes packed = ZlibPack(payload);
  HeaderFields fields = ValidFields(payload);
  fields.codec = 1;
  for (size_t size = 0; size < packed.size(); ++size) {
    ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, {packed.data(), size})));
  }
  const auto all = static_cast<double>(packed.size());
  EXPECT_TRUE(WaitUntil([&] { return Rejected() == all; })) << Rejected();
}

TEST_F(HostileWire, WrongMagicIsRefused) {
  const Bytes payload = Records(2);
  HeaderFields fields = ValidFields(payload);
  fields.magic ^= 0x01000000;
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, payload)));
  ExpectRejected(1, "magic");
}

TEST_F(HostileWire, AnUnknownVersionIsRefused) {
  const Bytes payload = Records(2);
  HeaderFields fields = ValidFields(payload);
  fields.version = 2;
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, payload)));
  ExpectRejected(1, "version");
}

TEST_F(HostileWire, AnUnknownCodecIsRefused) {
  const Bytes payload = Records(2);
  HeaderFields fields = ValidFields(payload);
  fields.codec = 7;
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, payload)));
  ExpectRejected(1, "codec");
}

TEST_F(HostileWire, ReservedBitsAreRefused) {
  const Bytes payload = Records(2);
  HeaderFields fields = ValidFields(payload);
  fields.flags = 0x8000;
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, payload)));
  fields.flags = 0;
  fields.reserved = 1;
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, payload)));
  ExpectRejected(2, "header");
}

TEST_F(HostileWire, ARecordLongerThanItsFrameEndsTheFrameAfterTheRecordsBeforeIt) {
  Bytes payload = Records(2);
  const size_t second = payload.size() / 2;
  StoreLe<uint32_t>(payload.data() + second + 8, 200'000);
  StoreLe<uint32_t>(payload.data() + second + 12, 200'000);
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(ValidFields(payload), payload)));
  ExpectRejected(1, "record_chain");
  others_ = 1;
  // The record that could not be used is not forgotten: it is counted as lost.
  EXPECT_TRUE(WaitUntil([this] { return ReadReceiver(fifo_).lost == 1; }));
}

TEST_F(HostileWire, ADeclaredRawLengthOfFourGigabytesIsRefused) {
  const Bytes payload = Records(2);
  const Bytes packed = ZlibPack(payload);
  for (const uint8_t codec : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    HeaderFields fields = ValidFields(payload);
    fields.codec = codec;
    fields.raw_length = UINT32_MAX;
    ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, packed)));
  }
  ExpectRejected(3, "header");
  ExpectMemoryGrewByAtMost(64 * kMiB);
}

TEST_F(HostileWire, AZlibBombIsRefusedWithoutBeingUnpacked) {
  const Bytes bomb = ZlibBomb(256 * kMiB);
  HeaderFields fields;
  fields.codec = 1;
  fields.stream_id = 0xbad;
  fields.packet_count = 1000;
  fields.raw_length = kMiB;
  ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, bomb)));
  EXPECT_TRUE(WaitUntil([] { return Rejected() == 1; })) << Rejected();
  // The same in the 2012 sender's clothes.
  Bytes legacy = {0x01};
  legacy.insert(legacy.end(), bomb.begin(), bomb.end());
  ASSERT_NO_FATAL_FAILURE(SendHostile(legacy));
  EXPECT_TRUE(WaitUntil([] { return Rejected({{"reason", "legacy"}}) == 1; }));
  ExpectMemoryGrewByAtMost(96 * kMiB);
}

TEST_F(HostileWire, AZstdBombIsRefusedWithoutBeingUnpacked) {
  const Bytes bomb = ZstdOfZeros(256 * kMiB);
  HeaderFields fields;
  fields.codec = 2;
  fields.stream_id = 0xbad;
  fields.packet_count = 1000;
  fields.raw_length = kMiB;
  constexpr int kBombs = 100;
  for (int i = 0; i < kBombs; ++i) {
    ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, bomb)));
  }
  EXPECT_TRUE(WaitUntil([] { return Rejected() == kBombs; })) << Rejected();
  ExpectMemoryGrewByAtMost(64 * kMiB);
}

TEST_F(HostileWire, TenThousandStreamsTakeBoundedMemoryAndEachPacketIsDelivered) {
  constexpr uint64_t kStreams = 10'000;
  const Bytes payload = Records(2);
  HeaderFields fields = ValidFields(payload);
  for (uint64_t i = 0; i < kStreams; ++i) {
    fields.stream_id = 1'000'000 + i;
    // Each leaves open what came before it.
    fields.first_ordinal = 1000;
    ASSERT_NO_FATAL_FAILURE(SendHostile(MakeFrame(fields, payload)));
  }
  others_ = 2 * kStreams;
  ASSERT_NO_FATAL_FAILURE(ExpectTheNeighbourIsHeard());
  EXPECT_EQ(Rejected(), 0);
  ExpectMemoryGrewByAtMost(32 * kMiB);
}

TEST_F(HostileWire, AMessageOfAHundredMebibytesCutsItsSenderOff) {
  const Bytes huge(100 * kMiB, 0x42);
  ASSERT_NO_FATAL_FAILURE(SendHostile(huge));
  EXPECT_TRUE(WaitUntil(
      [] { return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_disconnects_total") >= 1; }));
  ExpectMemoryGrewByAtMost(64 * kMiB);
}

// Each of the eight threads that answer would keep some of the memory in which it made a page of a
// thousand senders, in an arena of its own; with a single one, what grows is the table's.
class HostileNames : public HostileWire {
 protected:
  void SetUp() override {
    ::setenv("MALLOC_ARENA_MAX", "1", 1);
    HostileWire::SetUp();
  }
  void TearDown() override {
    HostileWire::TearDown();
    ::unsetenv("MALLOC_ARENA_MAX");
  }
};

TEST_F(HostileNames, TenThousandSenderNamesAreReportedAsABoundedNumber) {
  constexpr int kNames = 10'000;
  for (int i = 0; i < kNames; ++i) {
    const std::string json = "{\"name\":\"evil" + std::to_string(i) +
                             "\\\"\\n{}\",\"version\":\"1\",\"captured\":1,\"sent\":1}";
    HeaderFields fields;
    fields.flags = kControlFlag;
    fields.packet_count = 0;
    fields.stream_id = 1'000'000 + static_cast<uint64_t>(i);
    fields.raw_length = static_cast<uint32_t>(json.size());
    ASSERT_NO_FATAL_FAILURE(SendHostile(
        MakeFrame(fields, {reinterpret_cast<const uint8_t*>(json.data()), json.size()})));
  }
  const auto frames = [] { return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_frames_total"); };
  const double expected = kNames + static_cast<double>(neighbour_frames_);
  // A scrape of a thousand names is long, and the receiver slow, on a machine under load.
  EXPECT_TRUE(WaitUntil([&] { return frames() == expected; }, 4 * kGenerously)) << frames();
  const auto metrics = MetricsSnapshot::Fetch(kReceiverMetricsPort);
  ASSERT_TRUE(metrics.ok()) << metrics.error().message;
  const auto names = metrics.value().LabelValues("pcap_zmq_receiver_frames_total", "sender");
  // --max-senders, and the collective names.
  EXPECT_LE(names.size(), 1024u + 3);
  EXPECT_GE(names.size(), 1000u);
  for (const std::string& name : names) {
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789._-"),
              std::string::npos)
        << name;
  }
  EXPECT_EQ(Rejected(), 0);
  // A third of it is the table's.  Each of the eight threads that answer keeps some of the memory
  // in which it made a page of a thousand senders.
  ExpectMemoryGrewByAtMost(96 * kMiB);
}

TEST_F(HostileWire, AControlFrameThatIsNoJsonIsRefused) {
  const std::string_view text = "{\"name\": ";
  HeaderFields fields;
  fields.flags = kControlFlag;
  fields.packet_count = 0;
  fields.raw_length = static_cast<uint32_t>(text.size());
  ASSERT_NO_FATAL_FAILURE(
      SendHostile(MakeFrame(fields, {reinterpret_cast<const uint8_t*>(text.data()), text.size()})));
  ExpectRejected(1, "control");
}

TEST_F(HostileWire, ARepeatedFrameIsDeliveredOnce) {
  const Bytes payload = Records(2);
  const Bytes frame = MakeFrame(ValidFields(payload), payload);
  ASSERT_NO_FATAL_FAILURE(SendHostile(frame));
  ASSERT_NO_FATAL_FAILURE(SendHostile(frame));
  ExpectRejected(1, "duplicate");
  others_ = 2;
}

}  // namespace
}  // namespace pcap_zmq::testing
