// SPDX-License-Identifier: MIT
#include "codec/record_chain.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::RecordsOf;
using testing::SomePackets;
using testing::TestPacket;

// Walks a heap copy of the exact size.
RecordChain Check(const Bytes& payload, uint32_t declared_count) {
  const Frame message = testing::MessageOf(payload);
  return CheckRecords(message.bytes(), declared_count);
}

void ExpectChain(const RecordChain& chain, uint32_t packets, size_t bytes, bool complete) {
  EXPECT_EQ(chain.packet_count, packets);
  EXPECT_EQ(chain.bytes, bytes);
  EXPECT_EQ(chain.complete, complete);
}

TEST(RecordChain, WholeRecordsAreAllValid) {
  const Bytes records = RecordsOf(SomePackets(5));
  ExpectChain(Check(records, 5), 5, records.size(), true);
}

TEST(RecordChain, NothingDeclaredIsCompleteOnlyWithoutBytes) {
  ExpectChain(Check({}, 0), 0, 0, true);
  ExpectChain(Check({}, 1), 0, 0, false);
  ExpectChain(Check(RecordsOf(SomePackets(1)), 0), 0, 0, false);
}

TEST(RecordChain, EveryTruncationKeepsExactlyTheWholeRecords) {
  const Bytes records = RecordsOf(SomePackets(3));
  const size_t one = records.size() / 3;
  for (size_t size = 0; size < records.size(); ++size) {
    const Bytes cut(records.begin(), records.begin() + static_cast<ptrdiff_t>(size));
    const auto whole = static_cast<uint32_t>(size / one);
    ExpectChain(Check(cut, 3), whole, whole * one, false);
  }
}

TEST(RecordChain, MoreRecordsThanDeclaredAreNotTaken) {
  const Bytes records = RecordsOf(SomePackets(3));
  ExpectChain(Check(records, 2), 2, records.size() / 3 * 2, false);
}

TEST(RecordChain, BytesAfterTheLastRecordMakeItIncomplete) {
  Bytes records = RecordsOf(SomePackets(2));
  const size_t valid = records.size();
  records.push_back(0);
  ExpectChain(Check(records, 2), 2, valid, false);
}

TEST(RecordChain, DamagedFieldEndsTheChainBeforeItsRecord) {
  struct Damage {
    const char* what;
    size_t field;
    uint32_t value;
  };
  const Bytes records = RecordsOf(SomePackets(3));
  const size_t one = records.size() / 3;
  const auto length = static_cast<uint32_t>(one - kRecordHeaderBytes);
  for (const Damage& damage :
       {Damage{"a whole second of nanoseconds", 4, 1'000'000'000},
        Damage{"greatest nanoseconds", 4, UINT32_MAX},
        Damage{"captured above original", 12, length - 1},
        Damage{"captured past the end", 8, UINT32_MAX}, Damage{"no original length", 12, 0}}) {
    Bytes damaged = records;
    StoreLe<uint32_t>(damaged.data() + one + damage.field, damage.value);
    SCOPED_TRACE(damage.what);
    ExpectChain(Check(damaged, 3), 1, one, false);
  }
}

TEST(RecordChain, LastNanosecondOfASecondIsValid) {
  const Bytes records = RecordsOf(std::vector{TestPacket{{1}, 2 * kNanosPerSecond - 1, 1}});
  ExpectChain(Check(records, 1), 1, 17, true);
}

TEST(RecordChain, CapturedLengthIsBoundedByWhatReadersAccept) {
  const Bytes largest =
      RecordsOf(std::vector{TestPacket{Bytes(kMaxCapturedLength), 0, kMaxCapturedLength}});
  ExpectChain(Check(largest, 1), 1, kRecordHeaderBytes + kMaxCapturedLength, true);
  const Bytes larger =
      RecordsOf(std::vector{TestPacket{Bytes(kMaxCapturedLength + 1), 0, kMaxCapturedLength + 1}});
  ExpectChain(Check(larger, 1), 0, 0, false);
}

TEST(RecordChain, RecordThatClaimsMoreThanIsLeftIsNotRead) {
  Bytes records = RecordsOf(SomePackets(2));
  const size_t one = records.size() / 2;
  const auto length = static_cast<uint32_t>(one - kRecordHeaderBytes);
  StoreLe<uint32_t>(records.data() + one + 8, length + 1);
  StoreLe<uint32_t>(records.data() + one + 12, length + 1);
  ExpectChain(Check(records, 2), 1, one, false);
}

}  // namespace
}  // namespace pcap_zmq
