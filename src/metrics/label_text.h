// SPDX-License-Identifier: MIT
//
// Text from outside (sender names, paths) on its way into a label value.
#pragma once

#include <string>
#include <string_view>

namespace pcap_zmq {

/// `text` as valid UTF-8 without control characters other than tab and newline: each byte that does
/// not belong becomes U+FFFD.  One bad byte in one label would make Prometheus refuse the whole
/// scrape.  Quotes, backslashes and newlines stay: the exposition format escapes them.
/// Source:  RFC 3629 section 4.
std::string LabelText(std::string_view text);

}  // namespace pcap_zmq
