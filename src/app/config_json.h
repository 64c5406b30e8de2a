// SPDX-License-Identifier: MIT
//
// The configuration as a JSON object whose keys are the options' long names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "app/option.h"
#include "base/result.h"

namespace pcap_zmq {

/// A value from somewhere, for `options[option]`.
struct GivenValue {
  size_t option = 0;
  Option::Values values{};
  std::string origin{};  ///< "flag --lwm", "variable PCAP_ZMQ_LWM", "key \"lwm\" in FILE"
};

/// Reads the file at `path`.
/// Shape:   one object of at most 1 MiB; every key once, the name of one of `options`.
/// Errors:  kConfig, with the path and, for bad syntax, line and column.
Result<std::vector<GivenValue>> ReadConfigFile(const std::string& path,
                                               const std::vector<Option>& options);

/// The object that ReadConfigFile() reads back, indented; no newline at its end.
std::string FormatConfigFile(const std::vector<Option>& options);

}  // namespace pcap_zmq
