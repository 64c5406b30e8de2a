// SPDX-License-Identifier: MIT
// Twin of src/codec/sender_table.cc, where senders have keys, of their own or of a group.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/codec/sender_table_testing.h"

namespace pcap_zmq::testing {
namespace {

// Where senders have keys.
class KeyedSenderTable : public SenderTableTest {
 protected:
  // Here a key is spelled like its first name.
  static SenderKey KeyOf(std::string_view name) { return {name, name}; }

  bool DataOf(std::string_view key_name, uint64_t stream_id, uint64_t first_ordinal) {
    return Data(stream_id, first_ordinal, 1, KeyOf(key_name));
  }
};

TEST_F(KeyedSenderTable, PacketsCountForTheKeysNameFromTheFirstOneOn) {
  ASSERT_TRUE(DataOf("gw-1", 1, 5));
  ExpectSender("gw-1", 1, 0, 0);
  SettleAll();
  ExpectSender("gw-1", 1, 0, 5);
}

TEST_F(KeyedSenderTable, AControlFrameCannotClaimAnothersName) {
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  FrameHeader header;
  header.control = true;
  header.stream_id = 1;
  header.first_ordinal = 1;
  table_.AcceptControl(header, {"gw-2", "1.0", {}}, KeyOf("gw-1"));
  ExpectSender("gw-1", 1, 0, 0);
  EXPECT_TRUE(Sender("gw-1").has_totals);
  EXPECT_EQ(Sender("gw-2").name, "");
}

TEST_F(KeyedSenderTable, AStreamBelongsToTheKeyItWasFirstHeardOfWith) {
  EXPECT_TRUE(table_.BelongsTo(1, KeyOf("gw-1")));
  EXPECT_TRUE(table_.BelongsTo(1, KeyOf("gw-2"))) << "nobody's yet";
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  EXPECT_TRUE(table_.BelongsTo(1, KeyOf("gw-1")));
  EXPECT_FALSE(table_.BelongsTo(1, KeyOf("gw-2")));
  EXPECT_FALSE(table_.BelongsTo(1, {}));
}

TEST_F(KeyedSenderTable, AKeyThatGetsAnotherNameGoesOnUnderIt) {
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  const SenderKey renamed{"gw-1", "paris"};
  EXPECT_TRUE(table_.BelongsTo(1, renamed));
  FrameHeader header;
  header.stream_id = 1;
  header.first_ordinal = 1;
  header.packet_count = 1;
  EXPECT_TRUE(table_.Accept(header, 1, 100, renamed));
  ExpectSender("gw-1", 1, 0, 0);
  ExpectSender("paris", 1, 0, 0);
}

TEST_F(KeyedSenderTable, OneKeyMayHaveSeveralStreams) {
  ASSERT_TRUE(DataOf("gw-1", 1, 0));
  ASSERT_TRUE(DataOf("gw-1", 2, 0));
  ExpectSender("gw-1", 2, 0, 0);
}

TEST_F(KeyedSenderTable, MessagesOfThe2012SenderCountForItsKey) {
  table_.AcceptLegacy(3, 300, KeyOf("old"));
  ExpectSender("old", 3, 0, 0);
}

// Where a group of senders shares a key.
class GroupSenderTable : public SenderTableTest {
 protected:
  static constexpr SenderKey kNodes{"key of nodes", "nodes@"};

  bool NodeData(uint64_t stream_id, uint64_t first_ordinal, const SenderKey& key = kNodes) {
    return Data(stream_id, first_ordinal, 1, key);
  }
  void NodeControl(uint64_t stream_id, uint64_t next_ordinal, const std::string& name,
                   const SenderKey& key = kNodes) {
    Control(stream_id, next_ordinal, name, key);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const SenderSnapshot& sender : table_.Snapshot()) {
      names.push_back(sender.name);
    }
    return names;
  }
};

TEST_F(GroupSenderTable, EachSenderIsReportedUnderTheGroupAndWhatItCallsItself) {
  ASSERT_TRUE(NodeData(1, 0));
  EXPECT_TRUE(Names().empty()) << "it has not said who it is";
  NodeControl(1, 1, "node-a");
  NodeControl(2, 0, "node-b");
  ASSERT_TRUE(NodeData(2, 0));
  ASSERT_TRUE(NodeData(2, 1));
  ExpectSender("nodes@node-a", 1, 0, 0);
  ExpectSender("nodes@node-b", 2, 0, 0);
  EXPECT_EQ(Names().size(), 2U);
  EXPECT_TRUE(Sender("nodes@node-a").has_totals);
}

TEST_F(GroupSenderTable, NobodyGetsANameOutsideOfTheGroup) {
  // Names arrive as ParseControl() has made them safe, but the table does not rely on it.
  uint64_t stream = 1;
  for (const char* name : {"gw-1", "other", "unnamed", "legacy", "", "elsewhere@gw-1"}) {
    NodeControl(stream, 0, name);
    ASSERT_TRUE(NodeData(stream, 0));
    ++stream;
  }
  ASSERT_TRUE(NodeData(99, 0));  // says nothing at all
  table_.AcceptLegacy(1, 100, kNodes);
  SettleAfter(SenderTable::kNamingTime);
  for (const std::string& name : Names()) {
    EXPECT_TRUE(name.starts_with("nodes@")) << name;
  }
  ExpectSender("nodes@gw-1", 1, 0, 0);
  ExpectSender("nodes@unnamed", 3, 0, 0);
  ExpectSender("nodes@legacy", 2, 0, 0);
}

TEST_F(GroupSenderTable, ManyNamesAreBoundedWithinTheGroup) {
  for (uint64_t i = 0; i < 1000; ++i) {
    NodeControl(i, 0, "node-" + std::to_string(i));
    ASSERT_TRUE(NodeData(i, 0));
  }
  EXPECT_EQ(table_.Snapshot().size(), kMaxSenders + 1);
  ExpectSender("nodes@other", 1000 - kMaxSenders, 0, 0);
  EXPECT_EQ(Sender("other").name, "");
}

TEST_F(GroupSenderTable, OneThatCallsItselfSomethingElseGoesOnUnderThat) {
  NodeControl(1, 0, "node-a");
  ASSERT_TRUE(NodeData(1, 0));
  NodeControl(1, 1, "node-b");
  ASSERT_TRUE(NodeData(1, 1));
  ExpectSender("nodes@node-a", 1, 0, 0);
  ExpectSender("nodes@node-b", 1, 0, 0);
}

TEST_F(GroupSenderTable, AGroupThatGetsAnotherNameTakesItsSendersWithIt) {
  NodeControl(1, 0, "node-a");
  ASSERT_TRUE(NodeData(1, 0));
  const SenderKey renamed{kNodes.key, "edge@"};
  ASSERT_TRUE(NodeData(1, 1, renamed));
  ExpectSender("nodes@node-a", 1, 0, 0);
  ExpectSender("edge@node-a", 1, 0, 0);
  const SenderKey alone{kNodes.key, "gw-1"};
  ASSERT_TRUE(NodeData(1, 2, alone));
  ExpectSender("gw-1", 1, 0, 0);
  ASSERT_TRUE(NodeData(1, 3));
  ExpectSender("nodes@node-a", 2, 0, 0);
}

TEST_F(GroupSenderTable, AnotherKeyHasNoPartInItsStreams) {
  NodeControl(1, 0, "node-a");
  EXPECT_TRUE(table_.BelongsTo(1, kNodes));
  EXPECT_FALSE(table_.BelongsTo(1, {"key of gw-1", "gw-1"}));
}

}  // namespace
}  // namespace pcap_zmq::testing
