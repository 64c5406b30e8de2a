// SPDX-License-Identifier: MIT
#include "app/config.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace pcap_zmq {
namespace {

SenderConfig GoodSender() {
  SenderConfig config;
  config.source = ParseSource("0").Take();
  config.endpoints = {"tcp://ids.example.org:1234"};
  return config;
}

ReceiverConfig GoodReceiver() {
  ReceiverConfig config;
  config.endpoint = "tcp://0.0.0.0:1234";
  config.outputs = {ParseOutput("/run/snort.pcap").Take()};
  return config;
}

TEST(Source, EveryFormIsRead) {
  const std::vector<uint16_t> both = {0, 1};
  for (const char* text : {"0,1", "nflog:0,1", "0 1", " 0, 1 "}) {
    const Result<SourceSpec> source = ParseSource(text);
    ASSERT_TRUE(source.ok()) << text;
    EXPECT_EQ(source.value(), (SourceSpec{SourceSpec::Kind::kNflog, both, ""})) << text;
  }
  EXPECT_EQ(ParseSource("65535").Take().groups, std::vector<uint16_t>{65'535});
  EXPECT_EQ(ParseSource("pcap:eth0").Take(), (SourceSpec{SourceSpec::Kind::kLive, {}, "eth0"}));
  EXPECT_EQ(ParseSource("file:a b.pcap").Take(),
            (SourceSpec{SourceSpec::Kind::kFile, {}, "a b.pcap"}));
  EXPECT_EQ(ParseSource("file:-").Take(), (SourceSpec{SourceSpec::Kind::kFile, {}, "-"}));
  EXPECT_EQ(ParseSource("-").Take(), ParseSource("file:-").Take());
}

TEST(Source, WhatIsFormattedIsReadBackTheSame) {
  for (const char* text : {"nflog:3", "nflog:1,0,65535", "pcap:eth0", "file:/a/b.pcap", "file:-"}) {
    EXPECT_EQ(FormatSource(ParseSource(text).Take()), text);
  }
}

TEST(Source, GroupAboveTheRangeIsRefusedWithTheRange) {
  const Result<SourceSpec> source = ParseSource("0,70000");
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().kind, ErrorKind::kConfig);
  EXPECT_EQ(source.error().message, "NFLOG group 70000 does not exist: groups are 0 to 65535");
}

TEST(Source, MalformedTextIsRefused) {
  for (const char* text : {"", ",", "nflog:", "pcap:", "file:", "eth0", "0,x", "-1", "0x1", "1.5",
                           "0,0", "1,2,1", "99999999999999999999", "tcp://ids:1"}) {
    const Result<SourceSpec> source = ParseSource(text);
    ASSERT_FALSE(source.ok()) << text;
    EXPECT_EQ(source.error().kind, ErrorKind::kConfig);
  }
}

TEST(Output, EveryFormIsReadAndKeepsItsLabel) {
  EXPECT_EQ(ParseOutput("/run/a").Take(),
            (OutputSpec{OutputSpec::Kind::kFifo, "/run/a", "/run/a"}));
  EXPECT_EQ(ParseOutput("file:a b").Take(),
            (OutputSpec{OutputSpec::Kind::kFile, "a b", "file:a b"}));
  EXPECT_EQ(ParseOutput("-").Take(), (OutputSpec{OutputSpec::Kind::kStdout, "", "-"}));
  EXPECT_EQ(ParseOutput("./-").Take().kind, OutputSpec::Kind::kFifo);
}

TEST(Output, EmptyPathAndEndpointAreRefused) {
  for (const char* text : {"", "file:", "tcp://ids:1"}) {
    EXPECT_FALSE(ParseOutput(text).ok()) << text;
  }
}

TEST(DefaultSenderName, IsAValidName) {
  SenderConfig config = GoodSender();
  EXPECT_EQ(config.name, DefaultSenderName());
  EXPECT_TRUE(Validate(config).ok());
}

TEST(Validate, DefaultsAreTheDocumentedOnes) {
  const SenderConfig sender;
  EXPECT_EQ(LowWatermark(sender), 16u << 20);
  EXPECT_EQ(sender.hwm, 100u << 20);
  EXPECT_EQ(sender.rate_window, kNanosPerSecond);
  EXPECT_EQ(sender.squash_linger, 50 * kNanosPerMilli);
  EXPECT_EQ(sender.zmq_buffer, 1000);
  EXPECT_EQ(sender.zmq_buffer_bytes, 64u << 20);
  EXPECT_EQ(sender.nflog_buffer, 64u << 20);
  EXPECT_EQ(sender.nflog_flush, 10 * kNanosPerMilli);
  EXPECT_EQ(sender.snaplen, 65'535u);
  const ReceiverConfig receiver;
  EXPECT_EQ(receiver.pipe_size, 1u << 20);
  EXPECT_EQ(receiver.queue_bytes, 64u << 20);
  EXPECT_EQ(receiver.memory, 256u << 20);
  EXPECT_EQ(receiver.zmq_buffer, 2);
  EXPECT_EQ(LargestMessage(receiver), (1u << 20) + 48);
  ReceiverConfig legacy;
  legacy.legacy = true;
  EXPECT_EQ(LargestMessage(legacy), 16u << 20);
  legacy.max_message = 3'000'000;
  EXPECT_EQ(LargestMessage(legacy), 3'000'000u);
  EXPECT_EQ(receiver.max_senders, 1024u);
  EXPECT_EQ(receiver.max_connections, 1024u);
  EXPECT_TRUE(Validate(GoodSender()).ok());
  EXPECT_TRUE(Validate(GoodReceiver()).ok());
}

template <typename Config>
struct Case {
  const char* what;
  std::function<void(Config*)> change;
  std::vector<std::string> blamed;  // empty: still valid
};

template <typename Config>
void ExpectViolations(const Config& good, const std::vector<Case<Config>>& cases) {
  for (const Case<Config>& c : cases) {
    Config config = good;
    c.change(&config);
    const std::optional<Violation> violation = FindViolation(config);
    EXPECT_EQ(violation ? violation->options : std::vector<std::string>{}, c.blamed) << c.what;
    const Status status = Validate(config);
    EXPECT_EQ(status.ok(), c.blamed.empty()) << c.what;
    if (violation && !status.ok()) {
      EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
      EXPECT_NE(status.error().message.find(violation->message), std::string::npos);
      EXPECT_EQ(status.error().message.find('\n'), std::string::npos);
    }
  }
}

TEST(Validate, SenderRangesEndWhereDocumented) {
  using C = SenderConfig;
  constexpr Nanoseconds kMs = kNanosPerMilli;
  constexpr Nanoseconds kS = kNanosPerSecond;
  const auto zstd = [](int level) {
    return [level](C* c) {
      c->codec = CodecChoice::kZstd;
      c->codec_level = level;
    };
  };
  ExpectViolations<C>(
      GoodSender(),
      {{"window low", [](C* c) { c->rate_window = 10 * kMs; }, {}},
       {"window too low", [](C* c) { c->rate_window = 10 * kMs - 1; }, {"rate-window"}},
       {"window high", [](C* c) { c->rate_window = 60 * kS; }, {}},
       {"window too high", [](C* c) { c->rate_window = 60 * kS + 1; }, {"rate-window"}},
       {"no linger", [](C* c) { c->squash_linger = 0; }, {}},
       {"linger too long", [](C* c) { c->squash_linger = 10 * kS + 1; }, {"squash-linger"}},
       {"zlib 9", [](C* c) { c->codec_level = 9; }, {}},
       {"zlib 10", [](C* c) { c->codec_level = 10; }, {"codec-level", "codec"}},
       {"zlib -1", [](C* c) { c->codec_level = -1; }, {"codec-level", "codec"}},
       {"zstd -7", zstd(-7), {}},
       {"zstd -8", zstd(-8), {"codec-level", "codec"}},
       {"zstd 19", zstd(19), {}},
       {"zstd 20", zstd(20), {"codec-level", "codec"}},
       {"no frames", [](C* c) { c->zmq_buffer = 0; }, {"zmq-buffer"}},
       {"many frames", [](C* c) { c->zmq_buffer = 1'000'000; }, {}},
       {"too many frames", [](C* c) { c->zmq_buffer = 1'000'001; }, {"zmq-buffer"}},
       {"1 MiB", [](C* c) { c->zmq_buffer_bytes = kMiB; }, {}},
       {"below 1 MiB", [](C* c) { c->zmq_buffer_bytes = kMiB - 1; }, {"zmq-buffer-bytes"}},
       {"no drain", [](C* c) { c->drain_timeout = 0; }, {}},
       {"drain for days", [](C* c) { c->drain_timeout = 3601 * kS; }, {"drain-timeout"}},
       {"small nflog", [](C* c) { c->nflog_buffer = 256 * kKiB - 1; }, {"nflog-buffer"}},
       {"large nflog", [](C* c) { c->nflog_buffer = kGiB + 1; }, {"nflog-buffer"}},
       {"threshold", [](C* c) { c->nflog_threshold = 65'536; }, {"nflog-threshold"}},
       {"latency 10 us", [](C* c) { c->batch_latency = 10 * kNanosPerMicro; }, {}},
       {"latency 9 us", [](C* c) { c->batch_latency = 9 * kNanosPerMicro; }, {"batch-latency"}},
       {"latency 1 s", [](C* c) { c->batch_latency = kS; }, {}},
       {"latency above", [](C* c) { c->batch_latency = kS + 1; }, {"batch-latency"}},
       {"no flush", [](C* c) { c->nflog_flush = 0; }, {"nflog-flush"}},
       {"odd flush", [](C* c) { c->nflog_flush = 15 * kMs; }, {"nflog-flush"}},
       {"flush 10 s",
        [](C* c) {
          c->nflog_flush = 10 * kS;
          c->drain_timeout = 11 * kS;
        },
        {}},
       {"flush as long as the drain",
        [](C* c) { c->nflog_flush = c->drain_timeout; },
        {"nflog-flush", "drain-timeout"}},
       {"flush without a drain", [](C* c) { c->drain_timeout = 0; }, {}},
       {"flush 10.01 s", [](C* c) { c->nflog_flush = 10 * kS + 10 * kMs; }, {"nflog-flush"}},
       {"resolve off", [](C* c) { c->resolve_interval = 0; }, {}},
       {"resolve 100 ms", [](C* c) { c->resolve_interval = 100 * kMs; }, {}},
       {"resolve 99 ms", [](C* c) { c->resolve_interval = 99 * kMs; }, {"resolve-interval"}},
       {"resolve 1 h", [](C* c) { c->resolve_interval = 3600 * kS; }, {}},
       {"resolve more", [](C* c) { c->resolve_interval = 3601 * kS; }, {"resolve-interval"}},
       {"snaplen 64", [](C* c) { c->snaplen = 64; }, {}},
       {"snaplen 63", [](C* c) { c->snaplen = 63; }, {"snaplen"}},
       {"snaplen 262144", [](C* c) { c->snaplen = 262'144; }, {}},
       {"snaplen 262145", [](C* c) { c->snaplen = 262'145; }, {"snaplen"}},
       {"no name", [](C* c) { c->name = ""; }, {"name"}},
       {"name 64", [](C* c) { c->name = std::string(64, 'a'); }, {}},
       {"name 65", [](C* c) { c->name = std::string(65, 'a'); }, {"name"}},
       {"name with a blank", [](C* c) { c->name = "a b"; }, {"name"}},
       {"metrics off", [](C* c) { c->metrics = ""; }, {}},
       {"metrics all", [](C* c) { c->metrics = ":9477"; }, {}},
       {"metrics v6", [](C* c) { c->metrics = "[::1]:0"; }, {}},
       {"metrics no port", [](C* c) { c->metrics = "127.0.0.1"; }, {"metrics"}},
       {"metrics port", [](C* c) { c->metrics = "127.0.0.1:65536"; }, {"metrics"}},
       {"metrics URL", [](C* c) { c->metrics = "http://a:1"; }, {"metrics"}}});
}

TEST(Validate, SenderOptionsThatContradictOneAnotherAreBlamedTogether) {
  using C = SenderConfig;
  const auto source = [](const char* text, auto change) {
    return [text, change](C* c) {
      c->source = ParseSource(text).Take();
      change(c);
    };
  };
  const auto filter = [](C* c) { c->filter = "udp"; };
  const auto fast = [](C* c) { c->replay_speed = 0; };
  const auto pumps = [](C* c) { c->pump_per_group = true; };
  ExpectViolations<C>(
      GoodSender(),
      {{"lwm = hwm", [](C* c) { c->lwm = c->hwm; }, {}},
       {"lwm > hwm", [](C* c) { c->lwm = c->hwm + 1; }, {"lwm", "hwm"}},
       {"no hwm", [](C* c) { c->hwm = 0; }, {}},
       {"no lwm", [](C* c) { c->lwm = 0; }, {}},
       {"nflog filter", filter, {"filter"}},
       {"file filter", source("file:a", filter), {}},
       {"live filter", source("pcap:eth0", filter), {}},
       {"nflog fast", fast, {"replay-speed"}},
       {"live fast", source("pcap:eth0", fast), {"replay-speed"}},
       {"file fast", source("-", fast), {}},
       {"file slow", source("-", [](C* c) { c->replay_speed = 0.0001; }), {"replay-speed"}},
       {"nflog pumps", pumps, {}},
       {"file pumps", source("-", pumps), {"pump-per-group"}},
       {"no group", [](C* c) { c->source = {}; }, {"source"}},
       {"no endpoint", [](C* c) { c->endpoints.clear(); }, {"endpoint"}},
       {"bad endpoint", [](C* c) { c->endpoints.emplace_back("ids:1"); }, {"endpoint"}},
       {"same endpoint", [](C* c) { c->endpoints.push_back(c->endpoints[0]); }, {"endpoint"}},
       {"other endpoint", [](C* c) { c->endpoints.emplace_back("ipc:///run/a"); }, {}}});
}

TEST(Validate, ReceiverRangesEndWhereDocumented) {
  using C = ReceiverConfig;
  const auto output = [](const char* text) {
    return [text](C* c) { c->outputs.push_back(ParseOutput(text).Take()); };
  };
  ExpectViolations<C>(
      GoodReceiver(),
      {{"no endpoint", [](C* c) { c->endpoint = ""; }, {"endpoint"}},
       {"no output", [](C* c) { c->outputs.clear(); }, {"output"}},
       {"other output", output("-"), {}},
       {"same output", output("/run/snort.pcap"), {"output"}},
       {"same path", output("file:/run/snort.pcap"), {"output"}},
       {"link type", [](C* c) { c->link_type = LinkType::kLinuxSll; }, {"link-type"}},
       {"ethernet", [](C* c) { c->link_type = LinkType::kEthernet; }, {}},
       {"tiny pipe", [](C* c) { c->pipe_size = 4095; }, {"pipe-size"}},
       {"tiny queue", [](C* c) { c->queue_bytes = kMiB - 1; }, {"queue-bytes"}},
       {"no frames", [](C* c) { c->zmq_buffer = 0; }, {"zmq-buffer"}},
       {"little memory", [](C* c) { c->memory = 32 * kMiB - 1; }, {"memory"}},
       {"the least memory", [](C* c) { c->memory = 32 * kMiB; }, {}},
       {"small messages", [](C* c) { c->max_message = 512 * kKiB - 1; }, {"max-message"}},
       {"large messages", [](C* c) { c->max_message = kGiB + 1; }, {"max-message"}},
       {"no senders", [](C* c) { c->max_senders = 0; }, {"max-senders"}},
       {"too many senders", [](C* c) { c->max_senders = 65'537; }, {"max-senders"}},
       {"small clock skew", [](C* c) { c->max_clock_skew = 1; }, {"max-clock-skew"}},
       {"no connections", [](C* c) { c->max_connections = 0; }, {"max-connections"}},
       {"too many connections", [](C* c) { c->max_connections = 65'537; }, {"max-connections"}},
       {"drain", [](C* c) { c->drain_timeout = 3601 * kNanosPerSecond; }, {"drain-timeout"}},
       {"metrics", [](C* c) { c->metrics = "x"; }, {"metrics"}}});
}

TEST(Validate, MessagesNameTheOptionTheValueAndTheRange) {
  SenderConfig sender = GoodSender();
  sender.snaplen = 12;
  EXPECT_EQ(Validate(sender).error().message,
            "--snaplen: 12 is out of range; allowed are 64 to 262144");
  sender = GoodSender();
  sender.source = {};
  EXPECT_EQ(Validate(sender).error().message.substr(0, 8), "SOURCE: ");
}

TEST(Encryption, NeedsBothKeys) {
  SenderConfig sender = GoodSender();
  sender.curve_key = "own.key";
  EXPECT_FALSE(Validate(sender).ok());
  sender.server_key = "receiver.pub";
  EXPECT_TRUE(Validate(sender).ok());
  sender.curve_key.clear();
  EXPECT_FALSE(Validate(sender).ok());
  ReceiverConfig receiver = GoodReceiver();
  receiver.authorized_keys = "/etc/pcap-zmq/authorized";
  const Status status = Validate(receiver);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("--curve-key, --authorized-keys: encryption needs both"),
            std::string::npos)
      << status.error().message;
  receiver.curve_key = "receiver.key";
  EXPECT_TRUE(Validate(receiver).ok());
}

TEST(Encryption, WhenRequiredNothingLeavesTheHostWithoutIt) {
  SenderConfig sender = GoodSender();
  sender.require_encryption = true;
  EXPECT_FALSE(Validate(sender).ok());
  sender.endpoints = {"tcp://127.0.0.1:1", "ipc:///run/a"};
  EXPECT_TRUE(Validate(sender).ok());
  sender.endpoints.push_back("tcp://192.0.2.1:1");
  EXPECT_FALSE(Validate(sender).ok());
  sender.curve_key = "own.key";
  sender.server_key = "receiver.pub";
  EXPECT_TRUE(Validate(sender).ok());
  ReceiverConfig receiver = GoodReceiver();
  receiver.require_encryption = true;
  const Status status = Validate(receiver);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("--require-encryption: "), std::string::npos);
  receiver.endpoint = "tcp://127.0.0.1:1";
  EXPECT_TRUE(Validate(receiver).ok());
  receiver.endpoint = "tcp://0.0.0.0:1";
  receiver.curve_key = "receiver.key";
  receiver.authorized_keys = "/etc/pcap-zmq/authorized";
  EXPECT_TRUE(Validate(receiver).ok());
}

}  // namespace
}  // namespace pcap_zmq
