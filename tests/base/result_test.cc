// SPDX-License-Identifier: MIT
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

namespace pcap_zmq {
namespace {

TEST(Result, HoldsAValue) {
  Result<std::string> result = std::string("value");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value(), "value");
  result.value() += "s";
  EXPECT_EQ(result.Take(), "values");
}

TEST(Result, HandsOverValuesThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = result.Take();
  EXPECT_EQ(*taken, 3);
}

TEST(Result, HoldsAnErrorWithItsKind) {
  const Result<int> config = ConfigError("wrong input");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().kind, ErrorKind::kConfig);
  EXPECT_EQ(config.error().message, "wrong input");
  const Result<int> runtime = RuntimeError("refused");
  EXPECT_EQ(runtime.error().kind, ErrorKind::kRuntime);
}

TEST(Result, AnEmptyValueIsNotTakenForAFailure) {
  const Result<std::string> empty = std::string();
  EXPECT_TRUE(empty.ok());
}

TEST(Result, TakingTheWrongSideEndsInAnException) {
  const Result<int> failed = RuntimeError("refused");
  EXPECT_THROW((void)failed.value(), std::bad_variant_access);
  const Result<int> fine = 1;
  EXPECT_THROW((void)fine.error(), std::bad_variant_access);
}

TEST(Status, IsFineUntilGivenAnError) {
  EXPECT_TRUE(Status().ok());
  const Status failed = ConfigError("no");
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "no");
}

}  // namespace
}  // namespace pcap_zmq
