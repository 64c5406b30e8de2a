// SPDX-License-Identifier: MIT
#include "app/config_json.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "tests/app/loader_fixture.h"

namespace pcap_zmq {
namespace {

using testing::Contains;
using testing::FileSenderArguments;
using testing::Good;
using testing::ReceiverArguments;
using testing::Refusal;
using testing::SenderArguments;
using testing::Strings;
using testing::TemporaryFile;

std::string SenderRefusal(const std::string& content) {
  const TemporaryFile file(content);
  std::string message = Refusal<SenderConfig>(SenderArguments({"--config", file.path()}));
  // The path differs from run to run.
  const size_t at = message.find(file.path());
  EXPECT_NE(at, std::string::npos) << message;
  return at == std::string::npos ? message : message.replace(at, file.path().size(), "FILE");
}

TEST(ConfigFile, EveryJsonTypeThatFitsIsRead) {
  const TemporaryFile file(R"({
    "source": "file:a.pcap", "endpoint": ["tcp://a:1", "tcp://b:2"],
    "lwm": 8, "hwm": "1Gbit/s", "rate-window": 0.5, "codec": "zstd", "codec-level": -3,
    "zmq-buffer": 77, "zmq-buffer-bytes": 2097152, "replay-speed": 2.5, "nflog-threshold": 7,
    "filter": "", "pump-per-group": false, "metrics": "off"})");
  const auto config = Good<SenderConfig>({"--config", file.path()});
  EXPECT_EQ(config.source, ParseSource("file:a.pcap").Take());
  EXPECT_EQ(config.endpoints, (Strings{"tcp://a:1", "tcp://b:2"}));
  EXPECT_EQ(config.lwm, 8u << 20);
  EXPECT_EQ(config.hwm, 125'000'000u);
  EXPECT_EQ(config.rate_window, kNanosPerSecond / 2);
  EXPECT_EQ(config.codec, CodecChoice::kZstd);
  EXPECT_EQ(config.codec_level, -3);
  EXPECT_EQ(config.zmq_buffer, 77);
  EXPECT_EQ(config.zmq_buffer_bytes, 2u << 20);
  EXPECT_EQ(config.replay_speed, 2.5);
  EXPECT_EQ(config.nflog_threshold, 7u);
  EXPECT_EQ(config.metrics, "");
}

TEST(ConfigFile, ListsMayBeASingleText) {
  const TemporaryFile file(R"({"endpoint": "tcp://*:1", "output": "/run/my capture, first"})");
  const auto config = Good<ReceiverConfig>({"--config", file.path()});
  ASSERT_EQ(config.outputs.size(), 1u);
  EXPECT_EQ(config.outputs[0].path, "/run/my capture, first");
}

TEST(ConfigFile, SourceMayBeAPlainGroupNumber) {
  const TemporaryFile file(R"({"source": 3, "endpoint": "tcp://a:1"})");
  EXPECT_EQ(Good<SenderConfig>({"--config", file.path()}).source.groups, std::vector<uint16_t>{3});
}

TEST(ConfigFile, UnknownKeyNamesTheNearestKnownOne) {
  EXPECT_EQ(SenderRefusal(R"({"lmw": 1})"),
            "key \"lmw\" in FILE is not known; did you mean \"lwm\"?");
  EXPECT_EQ(SenderRefusal(R"({"zmq_buffer": 1})"),
            "key \"zmq_buffer\" in FILE is not known; did you mean \"zmq-buffer\"?");
}

TEST(ConfigFile, WhatOnlyACommandLineCanAskForIsNoKey) {
  for (const char* key : {"config", "help", "version", "print-config"}) {
    EXPECT_TRUE(Contains(SenderRefusal(std::string("{\"") + key + "\": true}"), "is not known"));
  }
}

TEST(ConfigFile, SyntaxErrorIsToldWithItsPlace) {
  EXPECT_TRUE(Contains(SenderRefusal("{\n  \"lwm\": 1,\n  hwm: 2\n}"),
                       "FILE is not valid JSON at line 3, column 3: "));
  EXPECT_TRUE(Contains(SenderRefusal("{\"lwm\": 1"), "FILE is not valid JSON at line 1, column 1"));
  EXPECT_TRUE(Contains(SenderRefusal(""), "FILE is not valid JSON at line 1, column 1: "));
  EXPECT_TRUE(Contains(SenderRefusal("{\"lwm\": \"\xff\"}"), "FILE is not valid JSON at line 1"));
}

TEST(ConfigFile, OnlyAnObjectWillDo) {
  for (const char* text : {"[]", "1", "null", "\"lwm\""}) {
    EXPECT_TRUE(Contains(SenderRefusal(text), "FILE must hold one JSON object")) << text;
  }
}

TEST(ConfigFile, RepeatedKeyIsRefused) {
  EXPECT_EQ(SenderRefusal(R"({"lwm": 1, "hwm": 5, "lwm": 2})"),
            "key \"lwm\" appears twice in FILE");
}

TEST(ConfigFile, WrongTypeIsRefusedWithTheRightOne) {
  EXPECT_EQ(SenderRefusal(R"({"lwm": true})"), "key \"lwm\" in FILE must be a text or a number");
  EXPECT_EQ(SenderRefusal(R"({"lwm": null})"), "key \"lwm\" in FILE must be a text or a number");
  EXPECT_EQ(SenderRefusal(R"({"lwm": ["1"]})"), "key \"lwm\" in FILE must be a text or a number");
  EXPECT_EQ(SenderRefusal(R"({"name": 5})"), "key \"name\" in FILE must be a text");
  EXPECT_EQ(SenderRefusal(R"({"zmq-buffer": {}})"), "key \"zmq-buffer\" in FILE must be a number");
  EXPECT_EQ(SenderRefusal(R"({"pump-per-group": 1})"),
            "key \"pump-per-group\" in FILE must be true or false");
  EXPECT_EQ(SenderRefusal(R"({"endpoint": [["tcp://a:1"]]})"),
            "key \"endpoint\" in FILE must be a text or a list of texts");
}

TEST(ConfigFile, BadValueNamesKeyAndFile) {
  EXPECT_TRUE(
      Contains(SenderRefusal(R"({"lwm": "5x"})"), "key \"lwm\" in FILE: '5x' is not a rate"));
  EXPECT_TRUE(Contains(SenderRefusal(R"({"zmq-buffer": 1.5})"),
                       "key \"zmq-buffer\" in FILE: '1.5' is not a whole number"));
  EXPECT_TRUE(Contains(SenderRefusal(R"({"lwm": "200MiB/s"})"),
                       "key \"lwm\" in FILE, default of --hwm: the low watermark 200MiB/s"));
}

TEST(ConfigFile, BadValueIsAnErrorEvenWhereAFlagBeatsIt) {
  const TemporaryFile file(R"({"lwm": "5x"})");
  EXPECT_TRUE(
      Contains(Refusal<SenderConfig>(SenderArguments({"--config", file.path(), "--lwm", "1"})),
               "'5x' is not a rate"));
}

TEST(ConfigFile, UnreadableFileIsRefusedWithTheReason) {
  EXPECT_EQ(Refusal<SenderConfig>(SenderArguments({"--config", "/nonexistent/a.json"})),
            "cannot read the configuration file /nonexistent/a.json: No such file or directory");
  EXPECT_EQ(Refusal<SenderConfig>(SenderArguments({"--config", "/"})),
            "cannot read the configuration file /: Is a directory");
  const TemporaryFile huge(std::string(1024 * 1024 + 1, ' '));
  EXPECT_TRUE(Contains(Refusal<SenderConfig>(SenderArguments({"--config", huge.path()})),
                       "larger than 1 MiB"));
}

TEST(ConfigFile, FifoGivenByMistakeIsAnErrorAndNotAWait) {
  const TemporaryFile file("");
  const std::string path = file.path() + ".fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(
      Contains(Refusal<SenderConfig>(SenderArguments({"--config", path})), "is not valid JSON"));
  ::unlink(path.c_str());
}

// What a configuration prints must give the same configuration when it is read.
template <typename Config>
void ExpectRoundTrip(const Config& config) {
  const TemporaryFile file(EffectiveConfigJson(config));
  EXPECT_EQ(Good<Config>({"--config", file.path()}), config) << EffectiveConfigJson(config);
}

TEST(EffectiveConfig, ReadsBackTheSame) {
  ExpectRoundTrip(Good<SenderConfig>(SenderArguments()));
  ExpectRoundTrip(Good<ReceiverConfig>(ReceiverArguments()));
  ExpectRoundTrip(Good<SenderConfig>({"2,1",
                                      "tcp://a:1",
                                      "ipc:///run/b",
                                      "--lwm=0",
                                      "--hwm=12345B/s",
                                      "--rate-window=1.5s",
                                      "--squash-linger=0",
                                      "--codec=zstd",
                                      "--codec-level=-7",
                                      "--zmq-buffer=1",
                                      "--zmq-buffer-bytes=2000001B",
                                      "--drain-timeout=0",
                                      "--resolve-interval=2500ms",
                                      "--failover",
                                      "--spread-by=addresses",
                                      "--nflog-buffer=1000000",
                                      "--nflog-threshold=9",
                                      "--nflog-flush=30ms",
                                      "--pump-per-group",
                                      "--snaplen=100",
                                      "--user=nobody",
                                      "--no-sandbox",
                                      "--name=gate.way_1-x",
                                      "--metrics=off",
                                      "--log-format=json"}));
  ExpectRoundTrip(Good<SenderConfig>(
      FileSenderArguments({"--filter", "udp and \"x\" \\ \t", "--replay-speed", "0.1"})));
  ExpectRoundTrip(Good<SenderConfig>(FileSenderArguments({"--replay-speed", "max"})));
  ExpectRoundTrip(Good<ReceiverConfig>({"tcp://[::1]:*",        "-",
                                        "file:a b,c",           "/run/x",
                                        "--output-mode=spread", "--spread-by=addresses",
                                        "--link-type=ethernet", "--pipe-size=64KiB",
                                        "--queue-bytes=3MB",    "--overflow=drop",
                                        "--zmq-buffer=3",       "--memory=1GiB",
                                        "--max-message=1MiB",   "--legacy",
                                        "--max-senders=5",      "--max-connections=6",
                                        "--max-clock-skew=2s",  "--drain-timeout=1ms",
                                        "--user=nobody",        "--no-sandbox",
                                        "--metrics=[::]:1",     "--log-format=json"}));
}

TEST(EffectiveConfig, IsWhatPrintConfigPrints) {
  const auto exit = testing::Exit<SenderConfig>(SenderArguments({"--print-config", "--lwm", "1"}));
  EXPECT_EQ(exit.status, 0);
  EXPECT_EQ(exit.err, "");
  EXPECT_EQ(exit.out,
            EffectiveConfigJson(Good<SenderConfig>(SenderArguments({"--lwm", "1"}))) + "\n");
}

}  // namespace
}  // namespace pcap_zmq
