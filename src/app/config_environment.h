// SPDX-License-Identifier: MIT
//
// The layer of the configuration between the JSON file and the command line: PCAP_ZMQ_ variables.
#pragma once

#include <vector>

#include "app/config_json.h"
#include "app/option.h"
#include "base/result.h"

namespace pcap_zmq {

/// The values of those variables that are options of this program; one that is empty, or that only
/// its sibling program knows, is passed over.
/// Shape:   `envp` ends with a null pointer, as main() and environ(7) have it.
/// Where an option names a file, its variable may end in _FILE as well.
/// Errors:  kConfig for a PCAP_ZMQ_ variable that neither program knows, naming the nearest known
///          one; what Kubernetes sets for services of that name is let pass.
Result<std::vector<GivenValue>> ReadEnvironment(const char* const* envp,
                                                const std::vector<Option>& options,
                                                const std::vector<Option>& sibling_options);

}  // namespace pcap_zmq
