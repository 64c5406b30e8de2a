// SPDX-License-Identifier: MIT
//
// Loads configurations from arguments and environments written as lists.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "app/config_loader.h"

namespace pcap_zmq::testing {

using Strings = std::vector<std::string>;

inline std::vector<const char*> Pointers(const Strings& strings) {
  std::vector<const char*> pointers;
  for (const std::string& string : strings) {
    pointers.push_back(string.c_str());
  }
  pointers.push_back(nullptr);
  return pointers;
}

template <typename Config>
std::variant<Config, ExitNow> Load(const Strings& arguments, const Strings& environment = {}) {
  Strings with_program = {"program"};
  with_program.insert(with_program.end(), arguments.begin(), arguments.end());
  const auto argv = Pointers(with_program);
  const auto envp = Pointers(environment);
  const int argc = static_cast<int>(with_program.size());
  if constexpr (std::is_same_v<Config, SenderConfig>) {
    return LoadSenderConfig(argc, argv.data(), envp.data());
  } else {
    return LoadReceiverConfig(argc, argv.data(), envp.data());
  }
}

/// The configuration; reports the error and gives the defaults where there is none.
template <typename Config>
Config Good(const Strings& arguments, const Strings& environment = {}) {
  auto outcome = Load<Config>(arguments, environment);
  if (const auto* exit = std::get_if<ExitNow>(&outcome)) {
    ADD_FAILURE() << "refused: " << exit->out << exit->err;
    return {};
  }
  return std::get<Config>(outcome);
}

/// The exit that was asked for; reports a configuration that was accepted instead.
template <typename Config>
ExitNow Exit(const Strings& arguments, const Strings& environment = {}) {
  auto outcome = Load<Config>(arguments, environment);
  if (auto* exit = std::get_if<ExitNow>(&outcome)) {
    return *exit;
  }
  ADD_FAILURE() << "accepted: " << EffectiveConfigJson(std::get<Config>(outcome));
  return {};
}

/// The message of a refusal, checked to be one line with status 2 and nothing on stdout.
template <typename Config>
std::string Refusal(const Strings& arguments, const Strings& environment = {}) {
  const ExitNow exit = Exit<Config>(arguments, environment);
  const std::string program(std::is_same_v<Config, SenderConfig> ? kSenderProgram
                                                                 : kReceiverProgram);
  const std::string prefix = program + ": error: ";
  EXPECT_EQ(exit.status, 2);
  EXPECT_EQ(exit.out, "");
  EXPECT_TRUE(exit.err.starts_with(prefix)) << exit.err;
  EXPECT_EQ(exit.err.find('\n'), exit.err.size() - 1) << "not one line: " << exit.err;
  if (!exit.err.starts_with(prefix)) {
    return exit.err;
  }
  return exit.err.substr(prefix.size(), exit.err.size() - prefix.size() - 1);
}

/// Arguments after a SOURCE and ENDPOINT, or an ENDPOINT and OUTPUT, that are in order.
inline Strings SenderArguments(const Strings& more = {}) {
  Strings all = {"0", "tcp://ids:1"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
inline Strings FileSenderArguments(const Strings& more = {}) {
  Strings all = {"file:a.pcap", "tcp://ids:1"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
inline Strings ReceiverArguments(const Strings& more = {}) {
  Strings all = {"tcp://*:1", "/run/a.pcap"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// A file that goes with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    std::string path = ::testing::TempDir() + "pcap_zmq_config_XXXXXX";
    const int fd = ::mkstemp(path.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    path_ = path;
    std::ofstream(path_) << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path_.c_str()); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Both texts, so that a failure shows the whole message.
inline ::testing::AssertionResult Contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "no \"" << part << "\" in \"" << text << "\"";
}

}  // namespace pcap_zmq::testing
