// SPDX-License-Identifier: MIT
#include "base/units.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace pcap_zmq {
namespace {

uint64_t Size(std::string_view text) {
  auto size = ParseSize(text);
  EXPECT_TRUE(size.ok()) << text;
  return size.ok() ? size.value() : 0;
}

uint64_t Rate(std::string_view text) {
  auto rate = ParseRate(text);
  EXPECT_TRUE(rate.ok()) << text;
  return rate.ok() ? rate.value() : 0;
}

Nanoseconds Duration(std::string_view text) {
  auto duration = ParseDuration(text);
  EXPECT_TRUE(duration.ok()) << text;
  return duration.ok() ? duration.value() : 0;
}

TEST(ParseSize, KnowsBinaryAndDecimalUnits) {
  EXPECT_EQ(Size("512"), 512U);
  EXPECT_EQ(Size("512B"), 512U);
  EXPECT_EQ(Size("64KiB"), 65'536U);
  EXPECT_EQ(Size("1.5MiB"), 1'572'864U);
  EXPECT_EQ(Size("2GiB"), 2'147'483'648U);
  EXPECT_EQ(Size("10kB"), 10'000U);
  EXPECT_EQ(Size("10KB"), 10'000U);
  EXPECT_EQ(Size("10MB"), 10'000'000U);
  EXPECT_EQ(Size("1GB"), 1'000'000'000U);
  EXPECT_EQ(Size("0"), 0U);
}

TEST(ParseSize, AllowsABlankBeforeTheUnit) {
  EXPECT_EQ(Size("64 KiB"), 65'536U);
}

TEST(ParseRate, PlainNumbersAreMebibytesASecond) {
  EXPECT_EQ(Rate("16"), 16U << 20);
  EXPECT_EQ(Rate("0.5"), 1U << 19);
  EXPECT_EQ(Rate("0"), 0U);
}

TEST(ParseRate, KnowsByteAndBitUnits) {
  EXPECT_EQ(Rate("8MiB/s"), 8U << 20);
  EXPECT_EQ(Rate("100B/s"), 100U);
  EXPECT_EQ(Rate("10MB/s"), 10'000'000U);
  EXPECT_EQ(Rate("1Gbit/s"), 125'000'000U);
  EXPECT_EQ(Rate("100Mbit/s"), 12'500'000U);
  EXPECT_EQ(Rate("8bit/s"), 1U);
}

TEST(ParseDuration, PlainNumbersAreSeconds) {
  EXPECT_EQ(Duration("2"), 2 * kNanosPerSecond);
  EXPECT_EQ(Duration("0.25"), 250 * kNanosPerMilli);
}

TEST(ParseDuration, KnowsUnitsFromNanosecondsToHours) {
  EXPECT_EQ(Duration("7ns"), 7);
  EXPECT_EQ(Duration("250us"), 250 * kNanosPerMicro);
  EXPECT_EQ(Duration("10ms"), 10 * kNanosPerMilli);
  EXPECT_EQ(Duration("1.5s"), 1'500 * kNanosPerMilli);
  EXPECT_EQ(Duration("2m"), 120 * kNanosPerSecond);
  EXPECT_EQ(Duration("1h"), 3'600 * kNanosPerSecond);
}

constexpr std::string_view kNeverANumber[] = {
    "",    " ",       "KiB", "-1",    "-0.5s",           "1,5",
    "1 2", "nan",     "inf", "0x10",  "1e400",           "+5",
    "ten", "5parsec", "--5", "1.2.3", "9007199254740994"};

TEST(ParseUnits, RefuseWhatIsNotANumberWithAKnownUnit) {
  for (const std::string_view text : kNeverANumber) {
    EXPECT_FALSE(ParseSize(text).ok()) << "size '" << text << "'";
    EXPECT_FALSE(ParseRate(text).ok()) << "rate '" << text << "'";
    EXPECT_FALSE(ParseDuration(text).ok()) << "duration '" << text << "'";
  }
}

TEST(ParseUnits, DoNotTakeOneAnothersUnits) {
  EXPECT_FALSE(ParseSize("8MiB/s").ok());
  EXPECT_FALSE(ParseSize("10ms").ok());
  EXPECT_FALSE(ParseRate("8MiB").ok());
  EXPECT_FALSE(ParseDuration("10KiB").ok());
  EXPECT_FALSE(ParseSize("64kib").ok()) << "case carries meaning in units";
}

TEST(ParseUnits, RefuseWhatOverflowsAfterTheUnitIsApplied) {
  EXPECT_FALSE(ParseSize("9000000000GiB").ok());
  EXPECT_FALSE(ParseRate("9000000000").ok());
  EXPECT_FALSE(ParseDuration("3000h").ok()) << "beyond 2^53 ns";
}

TEST(ParseUnits, ErrorsNameTheTextAndTheUnitsAndAreOneLine) {
  const auto size = ParseSize("64 kilos");
  ASSERT_FALSE(size.ok());
  EXPECT_EQ(size.error().kind, ErrorKind::kConfig);
  for (const std::string_view needle : {"'64 kilos'", "KiB", "GB"}) {
    EXPECT_NE(size.error().message.find(needle), std::string::npos) << needle;
  }
  EXPECT_EQ(size.error().message.find('\n'), std::string::npos);
  EXPECT_NE(ParseRate("x").error().message.find("Mbit/s"), std::string::npos);
  EXPECT_NE(ParseDuration("x").error().message.find("us"), std::string::npos);
}

TEST(FormatUnits, ChooseTheLargestUnitThatIsExact) {
  EXPECT_EQ(FormatSize(0), "0B");
  EXPECT_EQ(FormatSize(65'536), "64KiB");
  EXPECT_EQ(FormatSize(65'537), "65537B");
  EXPECT_EQ(FormatSize(uint64_t{3} << 30), "3GiB");
  EXPECT_EQ(FormatRate(16U << 20), "16MiB/s");
  EXPECT_EQ(FormatRate(0), "0B/s");
  EXPECT_EQ(FormatDuration(10 * kNanosPerMilli), "10ms");
  EXPECT_EQ(FormatDuration(90 * kNanosPerSecond), "90s");
  EXPECT_EQ(FormatDuration(120 * kNanosPerSecond), "2m");
  EXPECT_EQ(FormatDuration(0), "0s");
}

TEST(FormatUnits, ParseBackToTheSameValue) {
  std::mt19937_64 random(20121105);
  for (int i = 0; i < 20'000; ++i) {
    // Magnitudes from one bit to 53, with and without zero bits at the end.
    const auto bits = static_cast<unsigned>(random() % 53) + 1;
    const auto shift = static_cast<unsigned>(random() % bits);
    const uint64_t value = ((random() >> (64 - bits)) >> shift) << shift;
    ASSERT_EQ(Size(FormatSize(value)), value) << FormatSize(value);
    ASSERT_EQ(Rate(FormatRate(value)), value) << FormatRate(value);
    const auto duration = static_cast<Nanoseconds>(value);
    ASSERT_EQ(Duration(FormatDuration(duration)), duration) << FormatDuration(duration);
  }
}

}  // namespace
}  // namespace pcap_zmq
