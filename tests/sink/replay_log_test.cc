// SPDX-License-Identifier: MIT
#include "sink/replay_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "sink/pcap_format.h"
#include "tests/sink/sink_testing.h"
#include "tests/support/heap.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::NumberedBlock;

// Writes up to `limit` bytes and returns what was written.
Bytes Write(ReplayLog* log, size_t limit) {
  Bytes written;
  while (limit > 0 && !log->AllWritten()) {
    const auto bytes = log->Unwritten().first(std::min(limit, log->Unwritten().size()));
    written.insert(written.end(), bytes.begin(), bytes.end());
    log->MarkWritten(bytes.size());
    limit -= bytes.size();
  }
  return written;
}

TEST(ReplayLog, PacketsCountWhenTheirLastByteIsWritten) {
  ReplayLog log;
  log.Append(NumberedBlock(0, 3));
  const size_t first = RecordSize(log.Unwritten().data());
  Write(&log, first - 1);
  EXPECT_EQ(log.TakeTally().first, 0U);
  Write(&log, 1);
  EXPECT_EQ(log.TakeTally().first, 1U);
  EXPECT_EQ(log.undelivered(), 2U);
  Write(&log, 1'000'000);
  EXPECT_EQ(log.TakeTally().first, 2U);
  EXPECT_TRUE(log.AllWritten());
}

TEST(ReplayLog, AsManyWholeRecordsAreToBeWrittenAsTheLimitHoldsAndOneAtLeast) {
  ReplayLog log;
  log.StartSession();
  log.Append(NumberedBlock(0, 20, 1000));  // large enough to be a segment of its own
  log.Append(NumberedBlock(20, 2, 1000));
  const uint8_t* records = log.Unwritten().data();
  const size_t first = RecordSize(records);
  const size_t second = RecordSize(records + first);
  EXPECT_EQ(log.UnwrittenRecords(1).size(), first);
  EXPECT_EQ(log.UnwrittenRecords(first + second - 1).size(), first);
  EXPECT_EQ(log.UnwrittenRecords(first + second).size(), first + second);
  EXPECT_EQ(log.UnwrittenRecords(first + second).data(), records);
  EXPECT_EQ(log.UnwrittenRecords(1'000'000).size(), log.Unwritten().size()) << "one segment";
  Write(&log, log.Unwritten().size());
  EXPECT_EQ(log.UnwrittenRecords(1'000'000).size(), log.Unwritten().size()) << "and the next";
  Write(&log, 1'000'000);
  EXPECT_TRUE(log.UnwrittenRecords(1'000'000).empty());
}

TEST(ReplayLog, RestOfARecordThatWasBegunIsToBeWrittenAlone) {
  ReplayLog log;
  log.StartSession();
  log.Append(NumberedBlock(0, 3));
  const size_t first = RecordSize(log.Unwritten().data());
  const size_t second = RecordSize(log.Unwritten().data() + first);
  EXPECT_FALSE(log.InsideRecord());
  Write(&log, first + 7);
  EXPECT_TRUE(log.InsideRecord());
  EXPECT_EQ(log.UnwrittenRecords(1'000'000).size(), second - 7);
  EXPECT_EQ(log.UnwrittenRecords(1).size(), second - 7);
  Write(&log, second - 7);
  EXPECT_FALSE(log.InsideRecord());
  EXPECT_EQ(log.TakeTally().first, 2U) << "who looks does not take the tally";
}

TEST(ReplayLog, WhatTheReaderHasTakenIsForgotten) {
  ReplayLog log;
  log.StartSession();
  log.Append(NumberedBlock(0, 20, 1000));  // large enough to be a segment of its own
  const uint64_t first = log.held_bytes();
  log.Append(NumberedBlock(20, 20, 1000));
  const uint64_t both = log.held_bytes();
  Write(&log, both);
  log.Forget(both - first + 1);
  EXPECT_EQ(log.held_bytes(), both);
  log.Forget(both - first);
  EXPECT_EQ(log.held_bytes(), both - first);
  log.Forget(0);
  EXPECT_EQ(log.held_bytes(), 0U);
}

TEST(ReplayLog, ALittleInALargeBlockDoesNotKeepIt) {
  const RecordBlockPtr whole = NumberedBlock(0, 8, 1000);
  auto sparse = std::make_shared<RecordBlock>();
  sparse->storage = HeapFrame(size_t{1} << 20);
  std::copy(whole->records.begin(), whole->records.end(), sparse->storage.data());
  sparse->records = sparse->storage.bytes().first(whole->records.size());
  sparse->packet_count = whole->packet_count;
  const std::weak_ptr<const RecordBlock> watched = sparse;
  ReplayLog log;
  log.Append(RecordBlockPtr(std::exchange(sparse, nullptr)));
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(Write(&log, log.held_bytes()), Bytes(whole->records.begin(), whole->records.end()));
}

TEST(ReplayLog, ABacklogLeavesNoMemoryBehind) {
  const std::optional<size_t> before = testing::HeapBytes();
  if (!before.has_value()) {
    GTEST_SKIP() << testing::kHeapUnknown;
  }
  ReplayLog log;
  for (uint32_t i = 0; i < 200; ++i) {
    log.Append(NumberedBlock(i * 8, 8, 1000));
  }
  Write(&log, log.held_bytes());
  log.Forget(0);
  // The slots of the backlog are now used in turn.
  for (uint32_t i = 0; i < 1000; ++i) {
    log.Append(NumberedBlock(1600 + i, 1));
    Write(&log, log.held_bytes());
    log.Forget(0);
  }
  EXPECT_LT(*testing::HeapBytes(), *before + 2 * 1024 * 1024);
}

TEST(ReplayLog, RewoundPacketsWaitForASecondTimeAndAreNotCountedAsNew) {
  ReplayLog log;
  log.StartSession();
  log.Append(NumberedBlock(0, 4));
  const Bytes all = Write(&log, 1'000'000);
  EXPECT_EQ(log.TakeTally().first, 4U);
  // One byte of the second record was read.
  const size_t first = RecordSize(all.data());
  log.Rewind(all.size() - first - 1);
  EXPECT_EQ(log.CountWaitingAgain(), 3U);
  EXPECT_EQ(log.undelivered(), 0U);
  log.StartSession();
  EXPECT_EQ(Write(&log, 1'000'000), Bytes(all.begin() + static_cast<ptrdiff_t>(first), all.end()));
  const ReplayLog::Tally tally = log.TakeTally();
  EXPECT_EQ(tally.first, 0U);
  EXPECT_EQ(tally.again, 3U);
}

TEST(ReplayLog, UnreadFileHeaderOfAReaderThatTookNothingIsNotTakenForRecords) {
  ReplayLog log;
  log.StartSession();
  log.Append(NumberedBlock(0, 2));
  const Bytes all = Write(&log, 1'000'000);
  log.Rewind(all.size() + kFileHeaderBytes);
  log.StartSession();
  EXPECT_EQ(Write(&log, 1'000'000), all);
}

// A pipe with a reader at its end, in memory; what each reader took whole must add up to the
// stream.
TEST(ReplayLog, AnyMixOfWritingReadingForgettingAndLeavingDeliversEachPacketOnce) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    ReplayLog log;
    log.StartSession();
    Bytes taken;  // by readers, in whole records
    Bytes stream;
    Bytes session;  // written to the present reader
    size_t read = 0;
    uint64_t first = 0;
    uint64_t again = 0;
    uint64_t expected_again = 0;
    uint32_t packets = 0;
    const auto tally = [&] {
      const ReplayLog::Tally t = log.TakeTally();
      first += t.first;
      again += t.again;
    };
    const auto leave = [&] {
      const RecordBoundary boundary = LastBoundary(session, read);
      const auto end = session.begin() + static_cast<ptrdiff_t>(boundary.bytes);
      taken.insert(taken.end(), session.begin(), end);
      log.Rewind(session.size() - read);
      expected_again += log.CountWaitingAgain();
      log.StartSession();
      session.clear();
      read = 0;
    };
    for (int step = 0; step < 200; ++step) {
      switch (below(6)) {
        case 0: {
          const auto count = static_cast<uint32_t>(below(30));
          const Bytes records = testing::NumberedRecords(packets, count, below(2) * 900);
          log.Append(testing::MakeBlock(records, count));
          stream.insert(stream.end(), records.begin(), records.end());
          packets += count;
          break;
        }
        case 1:
        case 2: {
          const Bytes written = Write(&log, below(40'000));
          session.insert(session.end(), written.begin(), written.end());
          break;
        }
        case 3:
          read += below(session.size() - read + 1);
          break;
        case 4:
          log.Forget(session.size() - read);
          tally();
          break;
        default:
          if (below(5) == 0) {
            leave();
          }
      }
    }
    const Bytes rest = Write(&log, stream.size());
    session.insert(session.end(), rest.begin(), rest.end());
    read = session.size();
    tally();
    leave();
    EXPECT_EQ(taken, stream);
    EXPECT_EQ(first, packets);
    // A packet may wait through several readers that take nothing of it.
    EXPECT_LE(again, expected_again);
    EXPECT_EQ(log.undelivered(), 0U);
  }
}

}  // namespace
}  // namespace pcap_zmq
