// SPDX-License-Identifier: MIT
#include "base/sender_name.h"

#include <gtest/gtest.h>

#include <string>

namespace pcap_zmq {
namespace {

TEST(SenderName, LettersDigitsDotsUnderscoresAndHyphensMakeOne) {
  for (const char* name : {"a", "gw-1", "gw_1.example.org", "0", "-"}) {
    EXPECT_TRUE(IsSenderName(name)) << name;
  }
  EXPECT_TRUE(IsSenderName(std::string(kMaxSenderName, 'x')));
}

TEST(SenderName, AnythingElseDoesNot) {
  for (const char* name : {"", "gw 1", "gw/1", "../gw", "gw\n", "g\xc3\xbc", "a\"b"}) {
    EXPECT_FALSE(IsSenderName(name)) << name;
  }
  EXPECT_FALSE(IsSenderName(std::string(kMaxSenderName + 1, 'x')));
}

}  // namespace
}  // namespace pcap_zmq
