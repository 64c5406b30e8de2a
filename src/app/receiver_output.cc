// SPDX-License-Identifier: MIT
#include "app/receiver_output.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "sink/fifo_sink.h"
#include "sink/file_sink.h"
#include "sink/queued_sink.h"
#include "sink/stream_sink.h"

namespace pcap_zmq {
namespace {

template <typename Sink>
Result<std::unique_ptr<PacketSink>> AsSink(Result<std::unique_ptr<Sink>> sink) {
  if (!sink.ok()) {
    return sink.error();
  }
  return std::unique_ptr<PacketSink>(sink.Take());
}

// `meanwhile` may be null.
Result<std::unique_ptr<PacketSink>> OpenSink(const ReceiverConfig& config, const OutputSpec& output,
                                             const OutputContext& context, Meanwhile* meanwhile) {
  switch (output.kind) {
    case OutputSpec::Kind::kFifo: {
      FifoOptions options;
      options.path = output.path;
      options.link_type = config.link_type;
      options.pipe_bytes = static_cast<int>(config.pipe_size);
      options.meanwhile = meanwhile;
      return AsSink(FifoSink::Open(options, context.stats, context.clock, context.stop));
    }
    case OutputSpec::Kind::kFile: {
      FileSinkOptions options;
      options.path = output.path;
      options.link_type = config.link_type;
      return AsSink(FileSink::Open(options, context.stats, context.clock));
    }
    case OutputSpec::Kind::kStdout:
      break;
  }
  StreamOptions options;
  options.link_type = config.link_type;
  options.meanwhile = meanwhile;
  return AsSink(StreamSink::Open(options, context.stats, context.clock, context.stop));
}

}  // namespace

FilePlaces PlacesOf(const ReceiverConfig& config) {
  FilePlaces places;
  places.fence_reading = true;
  const auto add = [](const std::string& path, std::vector<std::string>* list) {
    const std::vector<std::string> of_path = DirectoriesOf(path);
    list->insert(list->end(), of_path.begin(), of_path.end());
  };
  for (const OutputSpec& output : config.outputs) {
    if (output.kind != OutputSpec::Kind::kStdout) {
      add(output.path, &places.to_write);
    }
  }
  constexpr std::string_view kIpc = "ipc://";
  // One that begins with @ is no file.
  if (config.endpoint.starts_with(kIpc) && !config.endpoint.starts_with("ipc://@")) {
    const std::string path = config.endpoint.substr(kIpc.size());
    // ZeroMQ makes a directory of its own for a socket whose name it chooses.
    std::error_code error;
    add(path == "*" ? (std::filesystem::temp_directory_path(error) / "any").string() : path,
        &places.to_write);
  }
  std::vector<std::string> keys = {config.curve_key, config.authorized_keys};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(config.authorized_keys, error)) {
    if (entry.is_symlink(error)) {
      keys.push_back(entry.path().string());
    }
  }
  for (const std::string& path : keys) {
    if (!path.empty()) {
      add(path, &places.to_read);
      const std::vector<std::string> of_links = DirectoriesOfLinks(path);
      places.to_read.insert(places.to_read.end(), of_links.begin(), of_links.end());
    }
  }
  return places;
}

Result<std::unique_ptr<PacketSink>> OpenOutput(const ReceiverConfig& config,
                                               const OutputSpec& output,
                                               const OutputContext& context) {
  if (config.outputs.size() == 1) {
    return OpenSink(config, output, context, context.meanwhile);
  }
  auto sink = OpenSink(config, output, context, nullptr);
  if (!sink.ok()) {
    return sink;
  }
  QueueOptions options;
  options.max_bytes = config.queue_bytes;
  options.waiter = context.deliverer;
  options.meanwhile = context.meanwhile;
  options.policy =
      output.kind == OutputSpec::Kind::kFifo && config.overflow == OverflowChoice::kBlock
          ? OverflowPolicy::kBlock
          : OverflowPolicy::kDrop;
  return AsSink(
      QueuedSink::Start(sink.Take(), options, context.stats, context.clock, context.stop));
}

}  // namespace pcap_zmq
