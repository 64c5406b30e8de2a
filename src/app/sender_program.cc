// SPDX-License-Identifier: MIT
#include "app/sender_program.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "app/chronicle.h"
#include "app/config_loader.h"
#include "app/privileges.h"
#include "app/program_support.h"
#include "app/progress_bar.h"
#include "app/sender_pipeline.h"
#include "app/service_notify.h"
#include "app/signals.h"
#include "base/log.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kProgressInterval = 200 * kNanosPerMilli;

// Which rights the sender needs while it runs, and as whom.
PrivilegeWish WishOf(const SenderConfig& config) {
  PrivilegeWish wish;
  wish.user = config.user;
  // A file may be root's alone, and so is the socket of an ipc:// endpoint that root has bound.
  wish.nobody_if_root =
      config.source.kind != SourceSpec::Kind::kFile &&
      std::none_of(config.endpoints.begin(), config.endpoints.end(),
                   [](const std::string& endpoint) { return endpoint.starts_with("ipc://"); });
  wish.keep_net_admin =
      config.source.kind == SourceSpec::Kind::kNflog && config.nflog_threshold == 0;
  return wish;
}

void WaitUntilDone(const SenderPipeline& pipeline, const Clock& clock, ServiceReporter* reporter) {
  std::optional<ProgressBar> bar;
  if (pipeline.replays_file()) {
    bar.emplace();
  }
  const bool draws = bar.has_value() && bar->active();
  ConnectionChronicle connections(pipeline.fails_over());
  LossChronicle losses(&clock, [&pipeline] { return LossesOf(pipeline.StatsOfPumps()); });
  while (!reporter->WaitFor(pipeline.done_fd(), draws ? kProgressInterval : 0)) {
    connections.Look(SumEndpoints(pipeline.StatsOfPumps()), clock.MonotonicNow());
    losses.Look();
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
  RaiseDescriptorLimit();
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
  if (!stop.status().ok()) {
    return ReportAndExit(stop.status().error());
  }
  ServiceNotifier notifier = ServiceNotifier::FromEnvironment(envp);
  const auto plan = PlanPrivileges(WishOf(config));
  if (!plan.ok()) {
    return ReportAndExit(plan.error());
  }
  // It reads what it may: the files of a resolver that follows the network are anywhere.
  FenceFilesUnless(config.no_sandbox, {});
  SenderPipeline pipeline(config, &clock, &stop);
  std::unique_ptr<SignalThread> signal_thread;

  // Opening a pipe may wait, for which the thread that takes signals must be there: without rights,
  // as it would keep them.  The kernel's packets need rights, a file is opened with those of the
  // user that was named.
  const bool opens_as_user = config.source.kind == SourceSpec::Kind::kFile && !config.user.empty();
  Status status = pipeline.ReadKeys();
  if (status.ok()) {
    status = RunWithPrivilegesDropped(plan.value(), [&] {
      auto started = SignalThread::Start(signals.Take(), &clock, config.drain_timeout, &stop);
      if (!started.ok()) {
        return Status(started.error());
      }
      signal_thread = started.Take();
      return Status();
    });
  }
  if (status.ok() && !opens_as_user) {
    status = pipeline.Open();
  }
  if (status.ok()) {
    status = DropPrivileges(plan.value());
  }
  if (status.ok()) {
    if (!config.curve_key.empty()) {
      GuardSecrets();
    }
    ConfineUnless(config.no_sandbox, SandboxProfile::kSender);
  }
  if (status.ok() && opens_as_user) {
    status = pipeline.Open();
  }
  if (status.ok()) {
    status = pipeline.Start();
  }
  if (!status.ok()) {
    return ReportAndExit(status.error());
  }
  ServiceReporter reporter(&notifier, &pipeline.watch(), &stop);
  reporter.Started(pipeline.description());
  WaitUntilDone(pipeline, clock, &reporter);
  return pipeline.Join() ? 0 : 1;
}

}  // namespace pcap_zmq
