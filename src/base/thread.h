// SPDX-License-Identifier: MIT
//
// The one way in which the programs start threads.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/result.h"

namespace pcap_zmq {

/// Starts a thread that does `work`, under a name by which `top -H` and debuggers tell it from
/// others.
/// Shape:   `name` has at most 15 bytes.
/// Owns:    the caller joins or detaches the thread.
/// Errors:  kRuntime when the system refuses another thread.
Result<std::thread> StartThread(const std::string& name, std::function<void()> work);

}  // namespace pcap_zmq
