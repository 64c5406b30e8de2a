// SPDX-License-Identifier: MIT
#include "app/config_loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <string>
#include <vector>

#include "app/version.h"
#include "tests/app/loader_fixture.h"

namespace pcap_zmq {
namespace {

using testing::Contains;
using testing::Exit;
using testing::FileSenderArguments;
using testing::Good;
using testing::ReceiverArguments;
using testing::Refusal;
using testing::SenderArguments;
using testing::Strings;
using testing::TemporaryFile;

// One option: a value that must arrive, and one that must be refused.
template <typename Config>
struct OptionCase {
  std::string name;
  std::string good;
  std::function<bool(const Config&)> arrived;
  std::string bad;
  Strings base;
};

std::string VariableOf(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return "PCAP_ZMQ_" + name;
}

std::vector<OptionCase<SenderConfig>> SenderCases() {
  using C = SenderConfig;
  const Strings nflog = SenderArguments();
  const Strings file = FileSenderArguments();
  return {
      {"lwm", "8MiB/s", [](const C& c) { return c.lwm == 8 * kMiB; }, "8MB/h", nflog},
      {"hwm", "50", [](const C& c) { return c.hwm == 50 * kMiB; }, "-1", nflog},
      {"rate-window", "2s", [](const C& c) { return c.rate_window == 2 * kNanosPerSecond; }, "2x",
       nflog},
      {"squash-linger", "5ms", [](const C& c) { return c.squash_linger == 5 * kNanosPerMilli; },
       "5MiB", nflog},
      {"spread-by", "addresses", [](const C& c) { return c.spread_by == SpreadBy::kAddresses; },
       "ports", nflog},
      {"codec", "zstd", [](const C& c) { return c.codec == CodecChoice::kZstd; }, "lz4", nflog},
      {"codec-level", "3", [](const C& c) { return c.codec_level == 3; }, "high", nflog},
      {"zmq-buffer", "5", [](const C& c) { return c.zmq_buffer == 5; }, "5.0", nflog},
      {"zmq-buffer-bytes", "2MiB", [](const C& c) { return c.zmq_buffer_bytes == 2 * kMiB; }, "2s",
       nflog},
      {"drain-timeout", "1m", [](const C& c) { return c.drain_timeout == 60 * kNanosPerSecond; },
       "soon", nflog},
      {"resolve-interval", "5s",
       [](const C& c) { return c.resolve_interval == 5 * kNanosPerSecond; }, "often", nflog},
      {"nflog-buffer", "1MiB", [](const C& c) { return c.nflog_buffer == kMiB; }, "1 MiB!", nflog},
      {"nflog-threshold", "17", [](const C& c) { return c.nflog_threshold == 17; }, "0", nflog},
      {"batch-latency", "300us", [](const C& c) { return c.batch_latency == 300 * kNanosPerMicro; },
       "1 fortnight", nflog},
      {"nflog-flush", "20ms", [](const C& c) { return c.nflog_flush == 20 * kNanosPerMilli; },
       "20 lightyears", nflog},
      {"curve-key", "k", [](const C& c) { return c.curve_key == "k"; }, "",
       SenderArguments({"--server-key", "s"})},
      {"server-key", "s", [](const C& c) { return c.server_key == "s"; }, "",
       SenderArguments({"--curve-key", "k"})},
      {"snaplen", "96", [](const C& c) { return c.snaplen == 96; }, "99999999999", nflog},
      {"replay-speed", "max", [](const C& c) { return c.replay_speed == 0; }, "0", file},
      {"user", "nobody", [](const C& c) { return c.user == "nobody"; }, "", nflog},
      {"filter", "tcp port 80", [](const C& c) { return c.filter == "tcp port 80"; }, "", file},
      {"name", "gw-1", [](const C& c) { return c.name == "gw-1"; }, "gw/1", nflog},
      {"metrics", "off", [](const C& c) { return c.metrics.empty(); }, "none", nflog},
      {"log-format", "json", [](const C& c) { return c.log_format == LogFormat::kJson; }, "xml",
       nflog},
  };
}

std::vector<OptionCase<ReceiverConfig>> ReceiverCases() {
  using C = ReceiverConfig;
  const Strings base = ReceiverArguments();
  return {
      {"link-type", "ethernet", [](const C& c) { return c.link_type == LinkType::kEthernet; },
       "sll", base},
      {"spread-by", "addresses", [](const C& c) { return c.spread_by == SpreadBy::kAddresses; },
       "ports", base},
      {"output-mode", "spread", [](const C& c) { return c.output_mode == OutputMode::kSpread; },
       "both", base},
      {"pipe-size", "64KiB", [](const C& c) { return c.pipe_size == 64 * kKiB; }, "big", base},
      {"queue-bytes", "2MiB", [](const C& c) { return c.queue_bytes == 2 * kMiB; }, "2ms", base},
      {"overflow", "drop", [](const C& c) { return c.overflow == OverflowChoice::kDrop; }, "wait",
       base},
      {"zmq-buffer", "5", [](const C& c) { return c.zmq_buffer == 5; }, "five", base},
      {"memory", "1GiB", [](const C& c) { return c.memory == kGiB; }, "1MiB", base},
      {"max-message", "1MiB", [](const C& c) { return c.max_message == kMiB; }, "1KiB", base},
      {"max-senders", "7", [](const C& c) { return c.max_senders == 7; }, "-7", base},
      {"max-clock-skew", "1s", [](const C& c) { return c.max_clock_skew == kNanosPerSecond; },
       "1ms", base},
      {"max-connections", "7", [](const C& c) { return c.max_connections == 7; }, "-7", base},
      {"drain-timeout", "1", [](const C& c) { return c.drain_timeout == kNanosPerSecond; }, "1h30",
       base},
      {"curve-key", "k", [](const C& c) { return c.curve_key == "k"; }, "",
       ReceiverArguments({"--authorized-keys", "d"})},
      {"authorized-keys", "d", [](const C& c) { return c.authorized_keys == "d"; }, "",
       ReceiverArguments({"--curve-key", "k"})},
      {"user", "nobody", [](const C& c) { return c.user == "nobody"; }, "", base},
      {"metrics", ":1", [](const C& c) { return c.metrics == ":1"; }, "1", base},
      {"log-format", "json", [](const C& c) { return c.log_format == LogFormat::kJson; }, "TEXT",
       base},
  };
}

template <typename Config>
void ExpectEveryWayWorks(const std::vector<OptionCase<Config>>& cases) {
  for (const OptionCase<Config>& c : cases) {
    SCOPED_TRACE(c.name);
    const auto with = [&c](const Strings& more) {
      Strings all = c.base;
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    const std::string flag = "--" + c.name;
    const std::string variable = VariableOf(c.name);
    EXPECT_FALSE(c.arrived(Config())) << "the default cannot tell";
    EXPECT_TRUE(c.arrived(Good<Config>(with({flag, c.good}))));
    EXPECT_TRUE(c.arrived(Good<Config>(with({flag + "=" + c.good}))));
    EXPECT_TRUE(c.arrived(Good<Config>(c.base, {variable + "=" + c.good})));
    const TemporaryFile file("{\"" + c.name + "\": \"" + c.good + "\"}");
    EXPECT_TRUE(c.arrived(Good<Config>(with({"--config", file.path()}))));
    EXPECT_TRUE(c.arrived(Good<Config>(c.base, {"PCAP_ZMQ_CONFIG=" + file.path()})));
    if (!c.bad.empty()) {
      EXPECT_TRUE(Contains(Refusal<Config>(with({flag, c.bad})), "flag " + flag + ": "));
      EXPECT_TRUE(Contains(Refusal<Config>(c.base, {variable + "=" + c.bad}),
                           "variable " + variable + ": "));
    }
  }
}

TEST(ConfigLoader, EverySenderOptionArrivesFromFlagVariableAndFile) {
  ExpectEveryWayWorks(SenderCases());
}

TEST(ConfigLoader, EveryReceiverOptionArrivesFromFlagVariableAndFile) {
  ExpectEveryWayWorks(ReceiverCases());
}

TEST(ConfigLoader, TheTablesOfThisTestLeaveNoOptionOut) {
  // Every key of the effective configuration but the positionals and the flags.
  const auto count = [](const std::string& json) {
    return std::count(json.begin(), json.end(), ':');
  };
  SenderConfig sender;
  sender.metrics = "off";
  ReceiverConfig receiver;
  receiver.metrics = "off";
  EXPECT_EQ(count(EffectiveConfigJson(sender)), static_cast<int64_t>(SenderCases().size()) + 6);
  EXPECT_EQ(count(EffectiveConfigJson(receiver)), static_cast<int64_t>(ReceiverCases().size()) + 5);
}

TEST(ConfigLoader, TheSandboxIsOnUnlessAFlagOrAVariableSaysOtherwise) {
  EXPECT_FALSE(Good<SenderConfig>(SenderArguments()).no_sandbox);
  EXPECT_TRUE(Good<SenderConfig>(SenderArguments({"--no-sandbox"})).no_sandbox);
  EXPECT_TRUE(Good<ReceiverConfig>(ReceiverArguments(), {"PCAP_ZMQ_NO_SANDBOX=true"}).no_sandbox);
}

TEST(ConfigLoader, TheLargestMessageIsTheFormatsUnlessSomebodySaysOtherwise) {
  const auto largest = [](const Strings& more) {
    return LargestMessage(Good<ReceiverConfig>(ReceiverArguments(more)));
  };
  EXPECT_EQ(largest({}), kMiB + 48);
  EXPECT_EQ(largest({"--max-message", "auto"}), kMiB + 48);
  EXPECT_EQ(largest({"--legacy"}), 16 * kMiB);
  EXPECT_EQ(largest({"--legacy", "--max-message", "2MiB"}), 2 * kMiB);
  EXPECT_TRUE(Contains(Refusal<ReceiverConfig>(ReceiverArguments({"--max-message", "none"})),
                       "flag --max-message: "));
}

TEST(ConfigLoader, FlowsFailOverWhereAFlagOrAVariableSaysSo) {
  EXPECT_FALSE(Good<SenderConfig>(SenderArguments()).failover);
  EXPECT_TRUE(Good<SenderConfig>(SenderArguments({"--failover"})).failover);
  EXPECT_TRUE(Good<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_FAILOVER=true"}).failover);
}

TEST(ConfigLoader, DefaultsHoldWhereNothingIsSaid) {
  SenderConfig sender;
  sender.source = ParseSource("0,1").Take();
  sender.endpoints = {"tcp://ids.host:1234"};
  EXPECT_EQ(Good<SenderConfig>({"0,1", "tcp://ids.host:1234"}), sender);
  ReceiverConfig receiver;
  receiver.endpoint = "tcp://0.0.0.0:1234";
  receiver.outputs = {ParseOutput("/run/snort.pcap").Take()};
  EXPECT_EQ(Good<ReceiverConfig>({"tcp://0.0.0.0:1234", "/run/snort.pcap"}), receiver);
}

TEST(ConfigLoader, FlagsBeatVariablesAndVariablesBeatTheFile) {
  const TemporaryFile file(R"({"lwm": 1, "hwm": 31, "zmq-buffer": 41, "source": 5})");
  const auto config = Good<SenderConfig>({"--config", file.path(), "--lwm", "3", "7", "tcp://a:1"},
                                         {"PCAP_ZMQ_LWM=2", "PCAP_ZMQ_HWM=32", "PCAP_ZMQ_SOURCE=6",
                                          "PCAP_ZMQ_ENDPOINT=tcp://b:1 tcp://c:1"});
  EXPECT_EQ(config.lwm, 3 * kMiB);
  EXPECT_EQ(config.hwm, 32 * kMiB);
  EXPECT_EQ(config.zmq_buffer, 41);
  EXPECT_EQ(config.source.groups, std::vector<uint16_t>{7});
  EXPECT_EQ(config.endpoints, Strings{"tcp://a:1"}) << "lists are replaced, not joined";
}

TEST(ConfigLoader, AnUnsetLowWatermarkFollowsTheHighOne) {
  const auto low_with = [](const Strings& more) {
    return LowWatermark(Good<SenderConfig>(SenderArguments(more)));
  };
  EXPECT_EQ(low_with({}), 16 * kMiB);
  EXPECT_EQ(low_with({"--hwm", "8Mbit/s"}), 500'000U);
  EXPECT_EQ(low_with({"--hwm", "31MiB/s"}), 31 * kMiB / 2);
  EXPECT_EQ(low_with({"--hwm", "0"}), 16 * kMiB);
  EXPECT_EQ(low_with({"--hwm", "8Mbit/s", "--lwm", "auto"}), 500'000U);
  EXPECT_EQ(low_with({"--hwm", "8Mbit/s", "--lwm", "0"}), 0U);
  EXPECT_EQ(low_with({"--hwm", "8Mbit/s", "--lwm", "100KiB/s"}), 100 * kKiB);
}

TEST(ConfigLoader, ConfigFlagBeatsItsVariable) {
  const TemporaryFile one(R"({"lwm": 1})");
  const TemporaryFile two(R"({"lwm": 2})");
  EXPECT_EQ(Good<SenderConfig>(SenderArguments({"--config", one.path()}),
                               {"PCAP_ZMQ_CONFIG=" + two.path()})
                .lwm,
            kMiB);
}

TEST(ConfigLoader, TheLastOfRepeatedFlagsCounts) {
  EXPECT_EQ(Good<SenderConfig>(SenderArguments({"--lwm", "1", "--lwm=2"})).lwm, 2 * kMiB);
}

TEST(ConfigLoader, PositionalsMayAllComeFromTheEnvironment) {
  const auto sender = Good<SenderConfig>(
      {}, {"PCAP_ZMQ_SOURCE=0 1", "PCAP_ZMQ_ENDPOINT=tcp://a:1, tcp://b:2\ttcp://c:3"});
  EXPECT_EQ(sender.source.groups, (std::vector<uint16_t>{0, 1}));
  EXPECT_EQ(sender.endpoints, (Strings{"tcp://a:1", "tcp://b:2", "tcp://c:3"}));
  const auto receiver =
      Good<ReceiverConfig>({}, {"PCAP_ZMQ_ENDPOINT=tcp://*:1", "PCAP_ZMQ_OUTPUT=/run/a,file:b"});
  ASSERT_EQ(receiver.outputs.size(), 2u);
  EXPECT_EQ(receiver.outputs[1].label, "file:b");
}

TEST(ConfigLoader, DashIsAPositionalWhereverItStands) {
  EXPECT_EQ(Good<SenderConfig>({"-", "tcp://a:1"}).source.name, "-");
  EXPECT_EQ(Good<SenderConfig>({"--lwm", "1", "--", "-", "tcp://a:1"}).source.name, "-");
  const auto receiver = Good<ReceiverConfig>({"tcp://*:1", "/run/a", "-", "--", "--odd"});
  ASSERT_EQ(receiver.outputs.size(), 3u);
  EXPECT_EQ(receiver.outputs[1].kind, OutputSpec::Kind::kStdout);
  EXPECT_EQ(receiver.outputs[2].path, "--odd");
}

TEST(ConfigLoader, OptionsMayStandBetweenPositionals) {
  const auto config = Good<SenderConfig>({"0", "--lwm", "1", "tcp://a:1", "--hwm=2", "tcp://b:1"});
  EXPECT_EQ(config.endpoints, (Strings{"tcp://a:1", "tcp://b:1"}));
}

TEST(ConfigLoader, NegativeValueIsNotTakenForAnOption) {
  EXPECT_EQ(
      Good<SenderConfig>(SenderArguments({"--codec", "zstd", "--codec-level", "-5"})).codec_level,
      -5);
}

TEST(ConfigLoader, EmptyValueDoesNotSwallowTheNextArgument) {
  const auto config = Good<SenderConfig>({"--filter=", "file:a", "tcp://a:1"});
  EXPECT_EQ(config.filter, "");
  EXPECT_EQ(config.source.name, "a");
  EXPECT_TRUE(Contains(Refusal<SenderConfig>({"--lwm=", "0", "tcp://a:1"}), "flag --lwm: ''"));
}

TEST(ConfigLoader, FlagTakesEverySpellingOfYesAndNo) {
  for (const char* yes : {"1", "true", "yes", "on"}) {
    const std::string text(yes);
    EXPECT_TRUE(
        Good<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_PUMP_PER_GROUP=" + text}).pump_per_group);
    EXPECT_TRUE(Good<SenderConfig>(SenderArguments({"--pump-per-group=" + text})).pump_per_group);
  }
  for (const char* no : {"0", "false", "no", "off"}) {
    const std::string text(no);
    EXPECT_FALSE(Good<SenderConfig>(SenderArguments({"--pump-per-group=" + text}),
                                    {"PCAP_ZMQ_PUMP_PER_GROUP=1"})
                     .pump_per_group)
        << "a flag can take back a variable";
  }
  EXPECT_TRUE(Good<SenderConfig>({"--pump-per-group", "0", "tcp://a:1"}).pump_per_group);
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_PUMP_PER_GROUP=maybe"}),
                       "variable PCAP_ZMQ_PUMP_PER_GROUP: 'maybe' is neither yes nor no"));
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments({"--pump-per-group=maybe"})),
                       "flag --pump-per-group: 'maybe'"));
}

TEST(ConfigLoader, EmptyVariableCountsAsNotSet) {
  EXPECT_EQ(Good<SenderConfig>(SenderArguments(),
                               {"PCAP_ZMQ_LWM=", "PCAP_ZMQ_ENDPOINT= , ", "PCAP_ZMQ_CONFIG="})
                .lwm,
            std::nullopt);
}

TEST(ConfigLoader, VariablesOfOptionsThatNameFilesMayEndInFile) {
  const auto sender =
      Good<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_CURVE_KEY_FILE=/run/secrets/gw",
                                             "PCAP_ZMQ_SERVER_KEY_FILE=/run/secrets/receiver"});
  EXPECT_EQ(sender.curve_key, "/run/secrets/gw");
  EXPECT_EQ(sender.server_key, "/run/secrets/receiver");
  const auto receiver =
      Good<ReceiverConfig>(ReceiverArguments(), {"PCAP_ZMQ_CURVE_KEY_FILE=/run/secrets/receiver",
                                                 "PCAP_ZMQ_AUTHORIZED_KEYS_FILE=/keys",
                                                 "PCAP_ZMQ_SERVER_KEY_FILE=is the sibling's"});
  EXPECT_EQ(receiver.curve_key, "/run/secrets/receiver");
  EXPECT_EQ(receiver.authorized_keys, "/keys");
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_LWM_FILE=/lwm"}),
                       "PCAP_ZMQ_LWM_FILE is not known"));
}

TEST(ConfigLoader, TwoVariablesOfOneOptionMustAgree) {
  const Strings keys = SenderArguments({"--server-key", "s"});
  EXPECT_EQ(
      Good<SenderConfig>(keys, {"PCAP_ZMQ_CURVE_KEY=a", "PCAP_ZMQ_CURVE_KEY_FILE=a"}).curve_key,
      "a");
  EXPECT_TRUE(
      Contains(Refusal<SenderConfig>(keys, {"PCAP_ZMQ_CURVE_KEY=a", "PCAP_ZMQ_CURVE_KEY_FILE=b"}),
               "PCAP_ZMQ_CURVE_KEY_FILE and variable PCAP_ZMQ_CURVE_KEY disagree"));
}

TEST(ConfigLoader, UnknownVariableNamesTheNearestKnownOne) {
  EXPECT_EQ(Refusal<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_LMW=1"}),
            "variable PCAP_ZMQ_LMW is not known; did you mean PCAP_ZMQ_LWM?");
  EXPECT_EQ(Refusal<ReceiverConfig>(ReceiverArguments(), {"PCAP_ZMQ_OUTPUTS=/run/a"}),
            "variable PCAP_ZMQ_OUTPUTS is not known; did you mean PCAP_ZMQ_OUTPUT?");
}

TEST(ConfigLoader, UnknownVariableIsAnErrorEvenWhenEmpty) {
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_LMW="}), "not known"));
}

TEST(ConfigLoader, VariablesOfOthersAreNotLookedAt) {
  Good<SenderConfig>(SenderArguments(), {"PATH=/bin", "PCAP_ZMQX=1", "PCAP_ZMQ=1", "XPCAP_ZMQ_A=1",
                                         "pcap_zmq_lwm=x", "PCAP_ZMQ_WITHOUT_VALUE"});
}

TEST(ConfigLoader, VariablesThatKubernetesSetsForServicesAreIgnored) {
  const Strings services = {"PCAP_ZMQ_SERVICE_HOST=10.0.0.1",
                            "PCAP_ZMQ_SERVICE_PORT=1234",
                            "PCAP_ZMQ_SERVICE_PORT_ZMQ=1234",
                            "PCAP_ZMQ_PORT=tcp://10.0.0.1:1234",
                            "PCAP_ZMQ_PORT_1234_TCP=tcp://10.0.0.1:1234",
                            "PCAP_ZMQ_PORT_1234_TCP_PROTO=tcp",
                            "PCAP_ZMQ_RECV_SERVICE_HOST=10.0.0.2",
                            "PCAP_ZMQ_RECV_PORT=tcp://10.0.0.2:1",
                            "PCAP_ZMQ_RECV_PORT_1_TCP_ADDR=10.0.0.2",
                            "PCAP_ZMQ_RECV_SERVICE_PORT_METRICS=9478"};
  EXPECT_EQ(Good<SenderConfig>(SenderArguments(), services), Good<SenderConfig>(SenderArguments()));
  EXPECT_EQ(Good<ReceiverConfig>(ReceiverArguments(), services),
            Good<ReceiverConfig>(ReceiverArguments()));
}

TEST(ConfigLoader, VariablesOfTheSiblingProgramAreAllowedAndIgnored) {
  EXPECT_EQ(Good<ReceiverConfig>(ReceiverArguments(), {"PCAP_ZMQ_LWM=nonsense"}),
            Good<ReceiverConfig>(ReceiverArguments()));
  EXPECT_EQ(Good<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_OUTPUT=/run/a"}),
            Good<SenderConfig>(SenderArguments()));
}

TEST(ConfigLoader, UnknownOptionSuggestsANearOne) {
  EXPECT_EQ(Refusal<SenderConfig>(SenderArguments({"--lwmm", "1"})),
            "unknown option --lwmm; did you mean --lwm? (see --help)");
  EXPECT_EQ(Refusal<SenderConfig>(SenderArguments({"--zmq-bufer=1"})),
            "unknown option --zmq-bufer; did you mean --zmq-buffer? (see --help)");
  EXPECT_EQ(Refusal<ReceiverConfig>(ReceiverArguments({"--completely-different"})),
            "unknown option --completely-different; see --help");
  EXPECT_EQ(Refusal<ReceiverConfig>(ReceiverArguments({"-x"})), "unknown option -x; see --help");
}

TEST(ConfigLoader, OptionOfTheSiblingProgramIsUnknown) {
  EXPECT_TRUE(Contains(Refusal<ReceiverConfig>(ReceiverArguments({"--codec", "zstd"})),
                       "unknown option --codec"));
}

TEST(ConfigLoader, OptionWithoutItsValueIsRefused) {
  EXPECT_EQ(Refusal<SenderConfig>(SenderArguments({"--lwm"})),
            "flag --lwm needs a value; see --help");
}

TEST(ConfigLoader, MissingPositionalsAreNamedAndTheUsageShown) {
  ExitNow exit = Exit<SenderConfig>({});
  EXPECT_EQ(exit.status, 2);
  EXPECT_EQ(exit.err,
            "pcap-zmq-send: error: missing SOURCE and ENDPOINT (or set PCAP_ZMQ_SOURCE and "
            "PCAP_ZMQ_ENDPOINT); see --help\n"
            "usage: pcap-zmq-send [OPTIONS] SOURCE ENDPOINT...\n");
  exit = Exit<ReceiverConfig>({"tcp://*:1"});
  EXPECT_EQ(exit.status, 2);
  EXPECT_EQ(exit.err,
            "pcap-zmq-recv: error: missing OUTPUT (or set PCAP_ZMQ_OUTPUT); see --help\n"
            "usage: pcap-zmq-recv [OPTIONS] ENDPOINT OUTPUT...\n");
}

TEST(ConfigLoader, ContradictionNamesWhereBothValuesCameFrom) {
  EXPECT_TRUE(
      Contains(Refusal<SenderConfig>(SenderArguments({"--hwm", "1"}), {"PCAP_ZMQ_LWM=2"}),
               "variable PCAP_ZMQ_LWM, flag --hwm: the low watermark 2MiB/s is above the high "
               "watermark 1MiB/s; lower --lwm or raise --hwm"));
  EXPECT_TRUE(Contains(Refusal<SenderConfig>({"0", "ids:1"}), "argument ENDPOINT: 'ids:1' is not"));
  EXPECT_TRUE(Contains(Refusal<SenderConfig>({"70000", "tcp://ids:1"}),
                       "argument SOURCE: NFLOG group 70000 does not exist: groups are 0 to 65535"));
}

TEST(ConfigLoader, MessageStaysOneLineWhateverTheValueHolds) {
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments({"--lwm", "1\n2\x1b[31m"})),
                       "'1\\x0a2\\x1b[31m'"));
}

TEST(ConfigLoader, HelpListsGroupsUnitsAndExamples) {
  for (const Strings& arguments : {Strings{"--help"}, Strings{"-h"}, Strings{"0", "--help"}}) {
    const ExitNow exit = Exit<SenderConfig>(arguments, {"PCAP_ZMQ_NONSENSE=1"});
    EXPECT_EQ(exit.status, 0);
    EXPECT_EQ(exit.err, "");
    for (const char* part :
         {"usage: pcap-zmq-send [OPTIONS] SOURCE ENDPOINT...\n", "\nRate control:\n", "\nZeroMQ:\n",
          "\nNFLOG:\n", "\nCapture:\n", "\nProcess:\n", "[default: 100MiB/s]", "[PCAP_ZMQ_LWM]",
          "\nExamples:\n  pcap-zmq-send 0,1 tcp://"}) {
      EXPECT_TRUE(Contains(exit.out, part));
    }
  }
  EXPECT_TRUE(Contains(Exit<ReceiverConfig>({"--help"}).out, "\nOutput:\n"));
}

TEST(ConfigLoader, VersionNamesProgramAndVersion) {
  ExitNow exit = Exit<SenderConfig>({"--version"});
  EXPECT_EQ(exit.status, 0);
  EXPECT_EQ(exit.out, "pcap-zmq-send " + std::string(kVersion) + "\n");
  exit = Exit<ReceiverConfig>({}, {"PCAP_ZMQ_VERSION=yes"});
  EXPECT_EQ(exit.out, "pcap-zmq-recv " + std::string(kVersion) + "\n");
}

TEST(ConfigLoader, HealthcheckNeedsNoPositionalsAndAsksWhereMetricsAre) {
  EXPECT_EQ(Exit<SenderConfig>({"--healthcheck"}).ask, "127.0.0.1:9477");
  EXPECT_EQ(Exit<ReceiverConfig>({"--healthcheck"}, {"PCAP_ZMQ_METRICS=0.0.0.0:99"}).ask,
            "0.0.0.0:99");
  EXPECT_TRUE(Contains(Refusal<SenderConfig>({"--healthcheck", "--metrics", "off"}), "nobody"));
}

TEST(ConfigLoader, PrintConfigValidatesFirst) {
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments({"--print-config", "--lwm=200"})),
                       "low watermark"));
  EXPECT_EQ(Exit<SenderConfig>(SenderArguments(), {"PCAP_ZMQ_PRINT_CONFIG=1"}).status, 0);
}

}  // namespace
}  // namespace pcap_zmq
