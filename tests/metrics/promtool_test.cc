// SPDX-License-Identifier: MIT
// Twin of none: what Prometheus itself says of both programs' output.
//
// Prometheus' own opinion of the scrapes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/metrics/scrape.h"

namespace pcap_zmq {
namespace {

constexpr int kCommandNotFound = 127;  // the shell's exit status for it

struct Verdict {
  int exit_status = -1;
  std::string output;
};

Verdict CheckMetrics(const std::string& scrape) {
  char path[] = "/tmp/pcap-zmq-scrape-XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0) {
    return {-1, "no temporary file"};
  }
  ::close(fd);
  std::ofstream(path) << scrape;
  Verdict verdict;
  FILE* pipe = ::popen(("promtool check metrics < " + std::string(path) + " 2>&1").c_str(), "r");
  if (pipe != nullptr) {
    char buffer[512];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) {
      verdict.output += buffer;
    }
    const int status = ::pclose(pipe);
    verdict.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  ::unlink(path);
  return verdict;
}

class Promtool : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CheckMetrics("").exit_status == kCommandNotFound) {
      GTEST_SKIP() << "promtool is not installed (package prometheus)";
    }
  }
};

TEST_F(Promtool, HasNoComplaintAboutTheSender) {
  const Verdict verdict = CheckMetrics(testing::FilledSender().Text());
  EXPECT_EQ(verdict.exit_status, 0) << verdict.output;
  EXPECT_EQ(verdict.output, "");
}

TEST_F(Promtool, HasNoComplaintAboutTheReceiver) {
  testing::FilledReceiver receiver;
  receiver.senders[1].name = "\"hostile\\\n\xff{}";
  const Verdict verdict = CheckMetrics(receiver.Text());
  EXPECT_EQ(verdict.exit_status, 0) << verdict.output;
  EXPECT_EQ(verdict.output, "");
}

TEST_F(Promtool, ComplainsWhenThereIsReasonTo) {
  const Verdict verdict = CheckMetrics("# TYPE bad_name counter\nbad_name 1\n");
  EXPECT_NE(verdict.exit_status, 0);
  EXPECT_NE(verdict.output, "");
}

}  // namespace
}  // namespace pcap_zmq
