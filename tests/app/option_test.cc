// SPDX-License-Identifier: MIT
#include "app/option.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace pcap_zmq {
namespace {

template <typename Config>
class EveryOption : public ::testing::Test {
 protected:
  Config config_;
  Actions actions_;
  std::vector<Option> options_ = DescribeOptions(&config_, &actions_);
};

using Programs = ::testing::Types<SenderConfig, ReceiverConfig>;
TYPED_TEST_SUITE(EveryOption, Programs);

TYPED_TEST(EveryOption, HasANameOfItsOwn) {
  std::set<std::string> names;
  for (const Option& option : this->options_) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
  }
}

TYPED_TEST(EveryOption, ReadsBackWhatItSpells) {
  for (const Option& option : this->options_) {
    const Option::Values before = option.get();
    if (option.positional) {
      continue;  // no positional has a default to spell
    }
    ASSERT_EQ(before.size(), 1u) << option.name;
    EXPECT_TRUE(option.set(before).ok()) << option.name << "=" << before[0];
    EXPECT_EQ(option.get(), before) << option.name;
  }
}

TYPED_TEST(EveryOption, HasAVariableThatKubernetesDoesNotSet) {
  for (const Option& option : this->options_) {
    const std::string variable = option.Variable();
    EXPECT_TRUE(variable.starts_with("PCAP_ZMQ_"));
    EXPECT_EQ(variable.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string::npos);
    EXPECT_FALSE(variable.ends_with("_SERVICE_HOST")) << variable;
    EXPECT_FALSE(variable.ends_with("_PORT")) << variable;
    EXPECT_EQ(variable.find("_PORT_"), std::string::npos) << variable;
    EXPECT_EQ(variable.find("_SERVICE_PORT"), std::string::npos) << variable;
  }
}

TYPED_TEST(EveryOption, IsInTheHelpWithItsDefaultAndVariable) {
  const std::string help = FormatHelp({"program", "Does it.", "  program\n"}, this->options_);
  for (const Option& option : this->options_) {
    const std::string value = option.value.empty() || option.positional ? "" : " " + option.value;
    const size_t at = help.find("\n  " + option.Spelling() + value);
    ASSERT_NE(at, std::string::npos) << option.name;
    // The entry ends where the next one, a heading or an empty line begins.
    size_t end = help.find('\n', at + 1);
    while (end + 28 < help.size() && help.substr(end + 1, 28) == std::string(28, ' ')) {
      end = help.find('\n', end + 1);
    }
    const std::string entry = help.substr(at, end - at);
    EXPECT_NE(entry.find("[" + option.Variable() + "]"), std::string::npos) << entry;
    if (!option.positional && option.kind != Option::Kind::kFlag) {
      EXPECT_NE(entry.find("[default:"), std::string::npos) << entry;
    }
  }
}

TYPED_TEST(EveryOption, FitsTheHelpsWidth) {
  const std::string help = FormatHelp({"program", "Does it.", "  program\n"}, this->options_);
  for (size_t begin = 0; begin < help.size(); begin = help.find('\n', begin) + 1) {
    EXPECT_LE(help.find('\n', begin) - begin, 96u) << help.substr(begin, 100);
  }
}

TEST(Nearest, TakesTheFewestEdits) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("lmw", "lwm"), 2u);
  EXPECT_EQ(Nearest("--zmq-bufer", {"--lwm", "--zmq-buffer", "--zmq-buffer-bytes"}),
            "--zmq-buffer");
  EXPECT_EQ(Nearest("x", {}), "");
}

}  // namespace
}  // namespace pcap_zmq
