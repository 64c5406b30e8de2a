// SPDX-License-Identifier: MIT
#include "transport/inbox.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>

#include "tests/transport/socket_testing.h"

namespace pcap_zmq::testing {
namespace {

using Holder = MemoryBudget::Holder;

class InboxTest : public ::testing::Test {
 protected:
  static Frame FrameOf(uint64_t number, size_t size) {
    Frame frame = HeapFrame(size);
    const Bytes bytes = FrameBytes(number, size);
    std::memcpy(frame.data(), bytes.data(), size);
    return frame;
  }
  static Bytes BytesOf(const Frame& frame) { return {frame.data(), frame.data() + frame.size()}; }

  MemoryBudget budget_;
  Inbox inbox_{&budget_};
};

TEST_F(InboxTest, GivesMessagesBackInOrderWithTheirSendersKeys) {
  for (uint64_t i = 0; i < 100; ++i) {
    inbox_.Push(FrameOf(i, 10 + i * 100), {"key" + std::to_string(i), "name"});
  }
  Frame frame;
  std::string key;
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(inbox_.Pop(&frame, &key));
    EXPECT_EQ(BytesOf(frame), FrameBytes(i, 10 + i * 100));
    EXPECT_EQ(key, "key" + std::to_string(i));
  }
  EXPECT_FALSE(inbox_.Pop(&frame, &key));
  EXPECT_TRUE(inbox_.empty());
  EXPECT_EQ(budget_.Total(), 0U);
}

TEST_F(InboxTest, CountsWhatItsMessagesReallyHold) {
  inbox_.Push(FrameOf(1, 100'000), {});
  const uint64_t large = budget_.Held(Holder::kInbox);
  EXPECT_GE(large, 100'000U);
  EXPECT_LE(large, 101'000U);
  inbox_.Push(FrameOf(2, 10), {});
  EXPECT_GE(budget_.Held(Holder::kInbox) - large, 64U) << "a small message is not for nothing";
}

TEST_F(InboxTest, ASmallMessageDoesNotKeepALargeBuffer) {
  bool released = false;
  Bytes buffer = FrameBytes(1, 20'000);
  inbox_.Push(Frame(
                  buffer.data(), 100, [](void* flag) { *static_cast<bool*>(flag) = true; },
                  &released, buffer.size()),
              {});
  EXPECT_TRUE(released);
  EXPECT_LT(budget_.Held(Holder::kInbox), 1000U);
  Frame frame;
  std::string key;
  ASSERT_TRUE(inbox_.Pop(&frame, &key));
  EXPECT_EQ(BytesOf(frame), Bytes(buffer.begin(), buffer.begin() + 100));
}

}  // namespace
}  // namespace pcap_zmq::testing
