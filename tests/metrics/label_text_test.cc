// SPDX-License-Identifier: MIT
#include "metrics/label_text.h"

#include <gtest/gtest.h>

#include <string>

namespace pcap_zmq {
namespace {

/// U+FFFD, `count` times.
std::string Bad(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "\xef\xbf\xbd";
  }
  return text;
}

TEST(LabelText, ValidUtf8StaysAsItIs) {
  const std::string text = "a \"b\\c\"\n\t \xc3\xbc \xe2\x82\xac \xed\x9f\xbf \xf0\x9f\x90\xb7";
  EXPECT_EQ(LabelText(text), text);
  EXPECT_EQ(LabelText(""), "");
}

TEST(LabelText, ControlCharactersAreReplaced) {
  EXPECT_EQ(LabelText(std::string_view("\0\r\x1b\x7f", 4)), Bad(4));
}

TEST(LabelText, OverlongFormsAreReplaced) {
  EXPECT_EQ(LabelText("\xc0\xaf"), Bad(2));
  EXPECT_EQ(LabelText("\xe0\x80\xaf"), Bad(3));
  EXPECT_EQ(LabelText("\xf0\x80\x80\xaf"), Bad(4));
}

TEST(LabelText, SurrogatesAndWhatIsBeyondUnicodeAreReplaced) {
  EXPECT_EQ(LabelText("\xed\xa0\x80"), Bad(3));
  EXPECT_EQ(LabelText("\xf4\x90\x80\x80"), Bad(4));
  EXPECT_EQ(LabelText("\xf5"), Bad(1));
}

TEST(LabelText, CharacterCutAtTheEndIsReplacedByteByByte) {
  EXPECT_EQ(LabelText("x\xe2\x82"), "x" + Bad(2));
  EXPECT_EQ(LabelText("x\xf0\x9f\x90"), "x" + Bad(3));
  EXPECT_EQ(LabelText("x\xc3"), "x" + Bad(1));
}

TEST(LabelText, TextGoesOnAfterABadByte) {
  EXPECT_EQ(LabelText("a\x80z\xe2\x28"), "a" + Bad(1) + "z" + Bad(1) + "(");
}

}  // namespace
}  // namespace pcap_zmq
