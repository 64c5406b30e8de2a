// SPDX-License-Identifier: MIT
#include "app/receiver_program.h"

#include <memory>
#include <variant>

#include "app/chronicle.h"
#include "app/config_loader.h"
#include "app/privileges.h"
#include "app/program_support.h"
#include "app/receiver_output.h"
#include "app/receiver_pipeline.h"
#include "app/service_notify.h"
#include "app/signals.h"
#include "base/log.h"

namespace pcap_zmq {

int RunReceiver(int argc, const char* const* argv, const char* const* envp) {
  ReserveStandardDescriptors();
  KeepFreedMemory();
  RaiseDescriptorLimit();
  auto loaded = LoadReceiverConfig(argc, argv, envp);
  if (const auto* exit = std::get_if<ExitNow>(&loaded)) {
    return PrintAndExit(kReceiverProgram, *exit);
  }
  const ReceiverConfig& config = std::get<ReceiverConfig>(loaded);
  SetUpLog(kReceiverProgram, config.log_format);
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
  const auto plan = PlanPrivileges({.user = config.user});
  if (!plan.ok()) {
    return ReportAndExit(plan.error());
  }
  FenceFilesUnless(config.no_sandbox, PlacesOf(config));
  ReceiverPipeline pipeline(config, &clock, &stop);
  std::unique_ptr<SignalThread> signal_thread;

  // Threads that are there before the drop begin without rights; the rest starts after it.
  Status status = RunWithPrivilegesDropped(plan.value(), [&] {
    auto started = SignalThread::Start(signals.Take(), &clock, config.drain_timeout, &stop);
    if (!started.ok()) {
      return Status(started.error());
    }
    signal_thread = started.Take();
    return pipeline.StartTransport();
  });
  if (status.ok()) {
    status = pipeline.Bind();
  }
  if (status.ok()) {
    status = DropPrivileges(plan.value());
  }
  if (status.ok()) {
    if (!config.curve_key.empty()) {
      GuardSecrets();
    }
    ConfineUnless(config.no_sandbox, SandboxProfile::kReceiver);
    status = pipeline.Start();
  }
  if (!status.ok()) {
    return ReportAndExit(status.error());
  }
  ServiceReporter reporter(&notifier, &pipeline.watch(), &stop);
  reporter.Started(pipeline.description());
  LossChronicle losses(&clock, [&pipeline] { return pipeline.Losses(); });
  while (!reporter.WaitFor(pipeline.done_fd(), 0)) {
    losses.Look();
  }
  return pipeline.Join() ? 0 : 1;
}

}  // namespace pcap_zmq
