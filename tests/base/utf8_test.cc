// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string_view>

namespace pcap_zmq {
namespace {

using namespace std::string_view_literals;

TEST(CharacterLength, IsThatOfEveryKindOfCharacter) {
  constexpr std::string_view kText = "a\u00e9\u20ac\U0001f600\0"sv;
  EXPECT_EQ(CharacterLength(kText, 0), 1U);
  EXPECT_EQ(CharacterLength(kText, 1), 2U);
  EXPECT_EQ(CharacterLength(kText, 3), 3U);
  EXPECT_EQ(CharacterLength(kText, 6), 4U);
  EXPECT_EQ(CharacterLength(kText, 10), 1U) << "also a zero";
}

TEST(CharacterLength, IsZeroWhereNoneBegins) {
  EXPECT_EQ(CharacterLength("", 0), 0U);
  EXPECT_EQ(CharacterLength("\x80", 0), 0U) << "the middle of one";
  EXPECT_EQ(CharacterLength("\xe2\x82", 0), 0U) << "cut";
  EXPECT_EQ(CharacterLength("\xe2\x82(", 0), 0U);
  EXPECT_EQ(CharacterLength("\xc0\xaf", 0), 0U) << "overlong";
  EXPECT_EQ(CharacterLength("\xed\xa0\x80", 0), 0U) << "a surrogate";
  EXPECT_EQ(CharacterLength("\xf4\x90\x80\x80", 0), 0U) << "beyond Unicode";
}

}  // namespace
}  // namespace pcap_zmq
