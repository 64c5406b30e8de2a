// SPDX-License-Identifier: MIT
//
// Giving root's rights back once sockets and files are open.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace pcap_zmq {

/// Who somebody is to the kernel.
struct Identity {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// Which rights a program wants to be left with.
struct PrivilegeWish {
  std::string user = {};        ///< to become; empty: see the next one
  bool nobody_if_root = false;  ///< without a user, root becomes nobody where the system lets it
  bool keep_net_admin = false;  ///< CAP_NET_ADMIN stays, if it is held
};

/// A wish, with names looked up: what DropPrivileges() does.
struct PrivilegePlan {
  std::optional<Identity> identity;  ///< to become; nullopt: stay
  bool keep_net_admin = false;
};

/// Looks up who to become.  Root stays root, whatever `nobody_if_root` says, without CAP_SETUID and
/// CAP_SETGID, as in a container, and where there is no nobody to become.
/// Errors:  kConfig for a user that does not exist, kRuntime for one that only root can become.
Result<PrivilegePlan> PlanPrivileges(const PrivilegeWish& wish);

/// Makes the calling thread run as the plan says, with no capability but perhaps CAP_NET_ADMIN, and
/// forbids it to gain rights by running other programs.
///
/// Rights belong to threads: those that this one starts later inherit what is left, others keep
/// what they have.  The C library's calls would change the identity of all of them, and end the
/// process when one has no right to; so nothing in the process may use them.
/// Errors:  kRuntime when the system refuses, in which case the process must not go on: it may be
///          half way.
Status DropPrivileges(const PrivilegePlan& plan);

/// Runs `work` in a thread of its own that has dropped its privileges, so that the threads which
/// `work` starts never had them, and waits for it.
Status RunWithPrivilegesDropped(const PrivilegePlan& plan, const std::function<Status()>& work);

}  // namespace pcap_zmq
