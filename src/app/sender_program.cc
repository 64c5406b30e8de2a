// SPDX-License-Identifier: MIT
#include "app/sender_program.h"

#include <poll.h>

#include <optional>
#include <utility>
#include <variant>

#include "app/config_loader.h"
#include "app/privileges.h"
#include "app/program_support.h"
#include "app/progress_bar.h"
#include "app/sender_pipeline.h"
#include "app/signals.h"
#include "base/log.h"

namespace pcap_zmq {
namespace {

constexpr int kProgressMillis = 200;

void WaitUntilDone(const SenderPipeline& pipeline) {
  std::optional<ProgressBar> bar;
  if (pipeline.replays_file()) {
    bar.emplace();
  }
  const bool draws = bar.has_value() && bar->active();
  pollfd done{pipeline.done_fd(), POLLIN, 0};
  while (::poll(&done, 1, draws ? kProgressMillis : -1) <= 0) {
    if (draws) {
      bar->Draw(pipeline.Progress(), pipeline.Ledger().captured);
    }
  }
  if (draws) {
    bar->Draw(pipeline.Progress(), pipeline.Ledger().captured);
  }
}

}  // namespace

int RunSender(int argc, const char* const* argv, const char* const* envp) {
  ReserveStandardDescriptors();
  auto loaded = LoadSenderConfig(argc, argv, envp);
  if (const auto* exit = std::get_if<ExitNow>(&loaded)) {
    return PrintAndExit(kSenderProgram, *exit);
  }
  const SenderConfig& config = std::get<SenderConfig>(loaded);
  SetUpLog(kSenderProgram, config.log_format);
  auto signals = SignalWaiter::Block();
  if (!signals.ok()) {
    return ReportAndExit(signals.error());
  }
  const SystemClock clock;
  StopEvent stop;
  SenderPipeline pipeline(config, &clock, &stop);

  // The kernel's packets need rights, a file's do not.  Rights must be dropped before there are
  // threads, and opening a pipe may wait, for which the thread that takes signals must be there.
  const bool is_file = config.source.kind == SourceSpec::Kind::kFile;
  const bool keep_net_admin =
      config.source.kind == SourceSpec::Kind::kNflog && config.nflog_threshold == 0;
  Status status = pipeline.ReadKeys();
  if (status.ok() && !is_file) {
    status = pipeline.Open();
  }
  if (status.ok()) {
    status = DropPrivileges(config.user, keep_net_admin);
  }
  const SignalThread signal_thread(signals.Take(), &clock, config.drain_timeout, &stop);
  if (status.ok() && is_file) {
    status = pipeline.Open();
  }
  if (status.ok()) {
    status = pipeline.Start();
  }
  if (!status.ok()) {
    return ReportAndExit(status.error());
  }
  WaitUntilDone(pipeline);
  return pipeline.Join() ? 0 : 1;
}

}  // namespace pcap_zmq
