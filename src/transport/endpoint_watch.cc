// SPDX-License-Identifier: MIT
#include "transport/endpoint_watch.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/thread.h"

namespace pcap_zmq {
namespace {

// Addresses that a log line names.
constexpr size_t kNamedAddresses = 10;

std::string List(const std::vector<std::string>& endpoints) {
  std::string list;
  for (size_t i = 0; i < std::min(endpoints.size(), kNamedAddresses); ++i) {
    list += (list.empty() ? "" : ", ") + endpoints[i];
  }
  return endpoints.size() > kNamedAddresses
             ? list + " and " + std::to_string(endpoints.size() - kNamedAddresses) + " more"
             : list;
}

}  // namespace

struct EndpointWatch::State {
  State(Endpoints given_endpoints, Nanoseconds look_interval, Lookup look)
      : interval(look_interval), lookup(std::move(look)) {
    for (std::string& endpoint : given_endpoints) {
      const bool has_name = HasHostName(endpoint);
      names.push_back({std::move(endpoint), has_name, {}, false});
    }
    Publish();
  }

  // One endpoint as it was given.
  struct Name {
    std::string endpoint;
    bool changes = false;  // has a name to look up
    Endpoints answer;      // the last one that had any
    bool failing = false;
  };

  void Look();
  void TakeAnswer(Name* name, Result<Endpoints> answer);
  void Publish();
  void Run();

  const Nanoseconds interval;
  const Lookup lookup;
  std::vector<Name> names;  // of whoever looks
  std::atomic<uint64_t> version{0};

  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<const Endpoints> endpoints;  // guarded by mutex
  bool stop = false;                           // guarded by mutex
  bool looking = false;                        // guarded by mutex
};

void EndpointWatch::State::Look() {
  for (Name& name : names) {
    if (!name.changes) {
      continue;
    }
    Result<Endpoints> answer = lookup(name.endpoint);
    {
      const std::lock_guard lock(mutex);
      if (stop) {
        return;
      }
    }
    TakeAnswer(&name, std::move(answer));
  }
  Publish();
}

void EndpointWatch::State::TakeAnswer(Name* name, Result<Endpoints> answer) {
  if (!answer.ok() || answer.value().empty()) {
    if (!std::exchange(name->failing, true)) {
      const std::string why = answer.ok() ? "it has no address" : answer.error().message;
      Log(LogLevel::kWarning,
          "cannot look up " + name->endpoint + ": " + why +
              (name->answer.empty() ? "; trying on" : "; the receivers known so far stay"));
    }
    return;
  }
  name->failing = false;
  if (name->answer != answer.value()) {
    name->answer = answer.Take();
    Log(LogLevel::kInfo, name->endpoint + " stands for " + List(name->answer));
  }
}

void EndpointWatch::State::Publish() {
  auto all = std::make_shared<Endpoints>();
  size_t left_out = 0;
  const auto add = [&](const std::string& endpoint) {
    if (std::find(all->begin(), all->end(), endpoint) != all->end()) {
      return;
    }
    if (all->size() < kMaxEndpoints) {
      all->push_back(endpoint);
    } else {
      ++left_out;
    }
  };
  for (const Name& name : names) {
    if (name.answer.empty()) {
      add(name.endpoint);
    }
    std::for_each(name.answer.begin(), name.answer.end(), add);
  }
  const std::lock_guard lock(mutex);
  if (endpoints != nullptr && *endpoints == *all) {
    return;
  }
  if (left_out > 0) {
    Log(LogLevel::kWarning, std::to_string(left_out) + " addresses of endpoints are left out: " +
                                std::to_string(kMaxEndpoints) + " are as many as can be");
  }
  endpoints = std::move(all);
  version.fetch_add(1, std::memory_order_release);
}

void EndpointWatch::State::Run() {
  std::unique_lock lock(mutex);
  while (!changed.wait_for(lock, std::chrono::nanoseconds(interval), [this] { return stop; })) {
    looking = true;
    lock.unlock();
    Look();
    lock.lock();
    looking = false;
  }
}

EndpointWatch::EndpointWatch(Endpoints given, Nanoseconds interval, Lookup lookup)
    : state_(std::make_shared<State>(std::move(given), interval, std::move(lookup))) {}

EndpointWatch::~EndpointWatch() {
  if (!thread_.joinable()) {
    return;
  }
  bool looking = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
    looking = state_->looking;
  }
  state_->changed.notify_all();
  // A name service that does not answer can hold a lookup up for half a minute, and nothing can end
  // it: its thread then ends by itself, or with the process.
  if (looking) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void EndpointWatch::Look() {
  state_->Look();
}

Status EndpointWatch::Start() {
  const auto& names = state_->names;
  if (std::none_of(names.begin(), names.end(), [](const auto& name) { return name.changes; })) {
    return {};
  }
  Result<std::thread> thread = StartThread("resolver", [state = state_] { state->Run(); });
  if (!thread.ok()) {
    return thread.error();
  }
  thread_ = thread.Take();
  return {};
}

std::shared_ptr<const EndpointWatch::Endpoints> EndpointWatch::endpoints() const {
  const std::lock_guard lock(state_->mutex);
  return state_->endpoints;
}

uint64_t EndpointWatch::version() const {
  return state_->version.load(std::memory_order_acquire);
}

}  // namespace pcap_zmq
