// SPDX-License-Identifier: MIT
//
// Any bytes as the configuration file of either program.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "app/config_loader.h"
#include "base/unique_fd.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using pcap_zmq::ExitNow;
using pcap_zmq::testing::Require;

// The outcome of a program whose only argument is a file with `content`.
template <typename Config>
std::variant<Config, ExitNow> Load(std::string_view content) {
  const pcap_zmq::UniqueFd file(::memfd_create("config", MFD_CLOEXEC));
  Require(file.valid(), "there is memory for a file");
  Require(
      ::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
      "the file can be written");
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  const std::array<const char*, 4> argv = {"program", "--config", path.c_str(), nullptr};
  const std::array<const char*, 1> envp = {nullptr};
  if constexpr (std::is_same_v<Config, pcap_zmq::SenderConfig>) {
    return pcap_zmq::LoadSenderConfig(3, argv.data(), envp.data());
  } else {
    return pcap_zmq::LoadReceiverConfig(3, argv.data(), envp.data());
  }
}

// What is accepted can be printed and read back; what is not is told in text with status 2.
template <typename Config>
void Check(std::string_view content) {
  const auto outcome = Load<Config>(content);
  if (const auto* refused = std::get_if<ExitNow>(&outcome)) {
    Require(refused->status == 2 && refused->out.empty(), "refused with status 2");
    Require(refused->err.find(": error: ") != std::string::npos && refused->err.ends_with('\n'),
            "refused with a message");
    return;
  }
  const auto& config = std::get<Config>(outcome);
  const auto again = Load<Config>(pcap_zmq::EffectiveConfigJson(config));
  const auto* same = std::get_if<Config>(&again);
  Require(same != nullptr, "what is printed can be read");
  Require(*same == config, "what is printed is what was read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  Check<pcap_zmq::SenderConfig>(content);
  Check<pcap_zmq::ReceiverConfig>(content);
  return 0;
}
