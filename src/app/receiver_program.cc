// SPDX-License-Identifier: MIT
#include "app/receiver_program.h"

#include <poll.h>

#include <variant>

#include "app/config_loader.h"
#include "app/privileges.h"
#include "app/program_support.h"
#include "app/receiver_pipeline.h"
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
  ReceiverPipeline pipeline(config, &clock, &stop);

  Status status = pipeline.Bind();
  if (status.ok()) {
    status = DropPrivileges(config.user, /*keep_net_admin=*/false);
  }
  const SignalThread signal_thread(signals.Take(), &clock, config.drain_timeout, &stop);
  if (status.ok()) {
    status = pipeline.Start();
  }
  if (!status.ok()) {
    return ReportAndExit(status.error());
  }
  pollfd done{pipeline.done_fd(), POLLIN, 0};
  while (::poll(&done, 1, -1) <= 0) {
  }
  return pipeline.Join() ? 0 : 1;
}

}  // namespace pcap_zmq
