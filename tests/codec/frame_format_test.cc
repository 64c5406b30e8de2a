// SPDX-License-Identifier: MIT
#include "codec/frame_format.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;

// Parses a heap copy of the exact size.
std::optional<FrameHeader> Parse(const Bytes& frame, RejectReason* reason) {
  const Frame message = testing::MessageOf(frame);
  return ParseFrameHeader(message.bytes(), reason);
}

void ExpectRefused(const Bytes& frame, RejectReason expected, const char* what) {
  RejectReason reason = RejectReason::kCount;
  EXPECT_FALSE(Parse(frame, &reason).has_value()) << what;
  EXPECT_EQ(Label(reason), Label(expected)) << what;
}

FrameHeader DataHeader() {
  FrameHeader header;
  header.packet_count = 1;
  header.raw_length = 16;
  return header;
}

FrameHeader ControlHeader() {
  FrameHeader header;
  header.control = true;
  header.raw_length = 16;
  return header;
}

Bytes WithPayload(const FrameHeader& header, size_t payload = 16) {
  return testing::FrameOf(header, Bytes(payload));
}

TEST(FrameFormat, HeaderIsLaidOutAsSpecified) {
  FrameHeader header;
  header.codec = Codec::kZstd;
  header.last = true;
  header.link_type = LinkType::kRaw;
  header.packet_count = 0x04030201;
  header.stream_id = 0x1817161514131211;
  header.sequence = 0x2827262524232221;
  header.first_ordinal = 0x3837363534333231;
  header.raw_length = 0x44434241;
  Bytes written(kFrameHeaderBytes, 0xee);
  WriteFrameHeader(header, written.data());
  const Bytes expected = {'P',  'Z',  'P',  'F',  1,    2,    2,    0,     // magic to flags
                          101,  0,    0,    0,    1,    2,    3,    4,     // link type, count
                          0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,  // stream id
                          0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,  // sequence
                          0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,  // first ordinal
                          0x41, 0x42, 0x43, 0x44, 0,    0,    0,    0};    // raw length, reserved
  EXPECT_EQ(written, expected);
}

TEST(FrameFormat, EveryValidHeaderIsReadBackAsWritten) {
  constexpr LinkType kLinkTypes[] = {LinkType::kNull, LinkType::kEthernet, LinkType::kRaw,
                                     LinkType::kLoop, LinkType::kLinuxSll, LinkType::kIpv4,
                                     LinkType::kIpv6, LinkType::kLinuxSll2};
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    FrameHeader header;
    header.control = random() % 4 == 0;
    header.last = random() % 2 == 0;
    header.codec = header.control ? Codec::kPlain : static_cast<Codec>(random() % 3);
    header.link_type = kLinkTypes[random() % std::size(kLinkTypes)];
    header.stream_id = random();
    header.sequence = random();
    header.first_ordinal = random() >> 2;
    header.raw_length = static_cast<uint32_t>(16 + random() % 2000);
    header.packet_count =
        header.control ? 0 : static_cast<uint32_t>(1 + random() % (header.raw_length / 16));
    RejectReason reason{};
    const auto read = Parse(WithPayload(header, header.raw_length), &reason);
    ASSERT_TRUE(read.has_value()) << Label(reason);
    EXPECT_EQ(read->control, header.control);
    EXPECT_EQ(read->last, header.last);
    EXPECT_EQ(read->codec, header.codec);
    EXPECT_EQ(read->link_type, header.link_type);
    EXPECT_EQ(read->packet_count, header.packet_count);
    EXPECT_EQ(read->stream_id, header.stream_id);
    EXPECT_EQ(read->sequence, header.sequence);
    EXPECT_EQ(read->first_ordinal, header.first_ordinal);
    EXPECT_EQ(read->raw_length, header.raw_length);
  }
}

TEST(FrameFormat, WhatIsShorterThanItsHeaderIsTooShort) {
  const Bytes frame = WithPayload(DataHeader());
  for (size_t size = 0; size < kFrameHeaderBytes; ++size) {
    ExpectRefused(Bytes(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(size)),
                  RejectReason::kTooShort, "cut header");
  }
}

TEST(FrameFormat, AnotherMagicIsRefusedHoweverShortTheMessage) {
  for (size_t at = 0; at < 4; ++at) {
    Bytes frame = WithPayload(DataHeader());
    frame[at] ^= 0x20;
    ExpectRefused(frame, RejectReason::kMagic, "whole frame");
    frame.resize(4);
    ExpectRefused(frame, RejectReason::kMagic, "four bytes");
  }
}

TEST(FrameFormat, AnotherVersionIsRefusedAsSuch) {
  for (const uint8_t version : {uint8_t{0}, uint8_t{2}, uint8_t{255}}) {
    Bytes frame = WithPayload(DataHeader());
    frame[4] = version;
    ExpectRefused(frame, RejectReason::kVersion, "version");
  }
}

TEST(FrameFormat, AnUnknownCodecIsRefusedAsSuch) {
  for (const uint8_t codec : {uint8_t{3}, uint8_t{4}, uint8_t{255}}) {
    Bytes frame = WithPayload(DataHeader());
    frame[5] = codec;
    ExpectRefused(frame, RejectReason::kCodec, "codec");
  }
}

TEST(FrameFormat, ReservedBitsMustBeClear) {
  for (int bit = 2; bit < 16; ++bit) {
    Bytes frame = WithPayload(DataHeader());
    StoreLe<uint16_t>(frame.data() + 6, static_cast<uint16_t>(1 << bit));
    ExpectRefused(frame, RejectReason::kHeader, "flag");
  }
  for (size_t at = 44; at < 48; ++at) {
    Bytes frame = WithPayload(DataHeader());
    frame[at] = 1;
    ExpectRefused(frame, RejectReason::kHeader, "reserved field");
  }
}

TEST(FrameFormat, LimitsHoldToTheByte) {
  struct Case {
    const char* what;
    FrameHeader header;
    size_t payload;
    bool valid;
  };
  std::vector<Case> cases;
  const auto add = [&cases](const char* what, FrameHeader header, size_t payload, bool valid,
                            auto change) {
    change(&header);
    cases.push_back({what, header, payload, valid});
  };
  using H = FrameHeader;
  const FrameHeader data = DataHeader();
  const FrameHeader control = ControlHeader();
  FrameHeader packed = data;
  packed.codec = Codec::kZlib;
  add("largest raw", packed, 9, true, [](H* h) { h->raw_length = kMaxFrameRawBytes; });
  add("raw too large", packed, 9, false, [](H* h) { h->raw_length = kMaxFrameRawBytes + 1; });
  add("raw of 4 GiB", packed, 9, false, [](H* h) { h->raw_length = UINT32_MAX; });
  add("plain raw of 4 GiB", data, 16, false, [](H* h) { h->raw_length = UINT32_MAX; });
  add("plain payload short", data, 15, false, [](H*) {});
  add("plain payload long", data, 17, false, [](H*) {});
  add("packed payload of another size", packed, 0, true, [](H*) {});
  add("no packets", data, 16, false, [](H* h) { h->packet_count = 0; });
  add("no payload", data, 0, false, [](H* h) { h->raw_length = 0; });
  add("count that fits", data, 32, true, [](H* h) { h->raw_length = 32, h->packet_count = 2; });
  add("count that cannot", data, 32, false, [](H* h) { h->raw_length = 32, h->packet_count = 3; });
  add("greatest count", data, 16, false, [](H* h) { h->packet_count = UINT32_MAX; });
  add("greatest ordinal", data, 16, true, [](H* h) { h->first_ordinal = uint64_t{1} << 62; });
  add("ordinal too great", data, 16, false,
      [](H* h) { h->first_ordinal = (uint64_t{1} << 62) + 1; });
  add("ordinal that would wrap", data, 16, false, [](H* h) { h->first_ordinal = UINT64_MAX; });
  add("control ordinal that would wrap", control, 16, false,
      [](H* h) { h->first_ordinal = UINT64_MAX; });
  add("greatest sequence", data, 16, true, [](H* h) { h->sequence = UINT64_MAX; });
  add("unknown link type", data, 16, false,
      [](H* h) { h->link_type = static_cast<LinkType>(147); });
  add("control with packets", control, 16, false, [](H* h) { h->packet_count = 1; });
  add("packed control", control, 16, false, [](H* h) { h->codec = Codec::kZlib; });
  add("largest control", control, kMaxControlBytes, true,
      [](H* h) { h->raw_length = kMaxControlBytes; });
  add("control too large", control, kMaxControlBytes + 1, false,
      [](H* h) { h->raw_length = kMaxControlBytes + 1; });
  for (const Case& c : cases) {
    const Bytes frame = WithPayload(c.header, c.payload);
    if (c.valid) {
      RejectReason reason{};
      EXPECT_TRUE(Parse(frame, &reason).has_value()) << c.what;
    } else {
      ExpectRefused(frame, RejectReason::kHeader, c.what);
    }
  }
}

}  // namespace
}  // namespace pcap_zmq
