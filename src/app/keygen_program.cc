// SPDX-License-Identifier: MIT
#include "app/keygen_program.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/program_support.h"
#include "app/version.h"
#include "base/log.h"
#include "base/sender_name.h"
#include "transport/curve_keys.h"

namespace pcap_zmq {
namespace {

constexpr std::string_view kKeygenProgram = "pcap-zmq-keygen";
constexpr char kHelp[] =
    "usage: pcap-zmq-keygen DIR NAME\n\n"
    "Makes a pair of keys for a sender or a receiver (CURVE, in Z85) and writes it to\n"
    "DIR/NAME.key, which is secret, and DIR/NAME.pub.  Files that are there are never "
    "overwritten.\n\n"
    "  pcap-zmq-keygen /etc/pcap-zmq receiver     on the IDS host\n"
    "  pcap-zmq-keygen /etc/pcap-zmq gateway1     on a gateway\n\n"
    "Then each side gets the other's .pub: the gateway receiver.pub, for --server-key; the IDS "
    "host\n"
    "gateway1.pub, in the directory of --authorized-keys.\n\n"
    "  --version  print the version and exit\n"
    "  --help     print this text and exit (also -h)\n";

int Print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : 1;
}

Status Generate(const std::string& directory, const std::string& name) {
  if (!IsSenderName(name)) {
    return ConfigError("NAME: '" + name + "' does not fit; use " + std::string(kSenderNameRule));
  }
  const Result<CurveKeyPair> keys = MakeCurveKeys();
  if (!keys.ok()) {
    return keys.error();
  }
  return WriteNewKeys(directory, name, keys.value());
}

}  // namespace

int RunKeygen(int argc, const char* const* argv) {
  ReserveStandardDescriptors();
  SetUpLog(kKeygenProgram, LogFormat::kText);
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      return Print(kHelp);
    }
    if (argument == "--version") {
      return Print(VersionLine(kKeygenProgram));
    }
    if (argument.starts_with("--")) {
      return ReportAndExit(ConfigError("unknown option " + argument + "; see --help"));
    }
  }
  if (arguments.size() != 2 || arguments[0].empty()) {
    return ReportAndExit(
        ConfigError("give a directory and a name, as in: pcap-zmq-keygen "
                    "/etc/pcap-zmq gateway1; see --help"));
  }
  if (Status generated = Generate(arguments[0], arguments[1]); !generated.ok()) {
    return ReportAndExit(generated.error());
  }
  const std::string stem = arguments[0] + "/" + arguments[1];
  return Print(stem + ".key  secret: it stays on this machine\n" + stem +
               ".pub  for the other side\n");
}

}  // namespace pcap_zmq
