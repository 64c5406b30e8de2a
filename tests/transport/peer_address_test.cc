// SPDX-License-Identifier: MIT
#include "transport/peer_address.h"

#include <gtest/gtest.h>

namespace pcap_zmq {
namespace {

TEST(AddressGroup, OfIpv6IsTheNetworkThatOneHostCanHave) {
  EXPECT_EQ(AddressGroup("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(AddressGroup("2001:db8:1:2::1"), AddressGroup("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(AddressGroup("2001:db8:1:2::1"), AddressGroup("2001:db8:1:3::1"));
  EXPECT_EQ(AddressGroup("::1"), "::/64");
}

TEST(AddressGroup, OfALinkLocalAddressKeepsTheLink) {
  EXPECT_EQ(AddressGroup("fe80::1%eth0"), AddressGroup("fe80::2%eth0"));
  EXPECT_NE(AddressGroup("fe80::1%eth0"), AddressGroup("fe80::1%eth1"));
}

TEST(AddressGroup, OfIpv4IsTheAddressHoweverItIsWritten) {
  EXPECT_EQ(AddressGroup("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(AddressGroup("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_NE(AddressGroup("::ffff:192.0.2.1"), AddressGroup("::ffff:192.0.2.2"));
}

TEST(AddressGroup, OfWhatIsNoAddressIsItself) {
  EXPECT_EQ(AddressGroup(kLocalPeer), kLocalPeer);
  EXPECT_EQ(AddressGroup(""), "");
}

}  // namespace
}  // namespace pcap_zmq
