// SPDX-License-Identifier: MIT
#include "app/privileges.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace pcap_zmq {
namespace {

// Runs `check` in a child, which says by its exit status whether all held: privileges that are
// given up do not come back.
bool HoldsInChild(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(check() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A mask of the calling thread, such as "CapPrm".
uint64_t Mask(const std::string& name) {
  std::ifstream file("/proc/thread-self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(name + ":")) {
      return std::stoull(line.substr(name.size() + 1), nullptr, 16);
    }
  }
  return ~uint64_t{0};
}

bool NoNewPrivileges() {
  return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

// Plans and drops.
Status Drop(const PrivilegeWish& wish) {
  const auto plan = PlanPrivileges(wish);
  return plan.ok() ? DropPrivileges(plan.value()) : Status(plan.error());
}

bool NoCapabilities() {
  return Mask("CapPrm") == 0 && Mask("CapEff") == 0 && Mask("CapInh") == 0 && Mask("CapAmb") == 0;
}

constexpr uint64_t kNetAdmin = uint64_t{1} << CAP_NET_ADMIN;

class DropPrivilegesAsRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    constexpr uint64_t kSetIds = uint64_t{1} << CAP_SETUID | uint64_t{1} << CAP_SETGID;
    if ((Mask("CapEff") & kSetIds) != kSetIds) {
      GTEST_SKIP() << "needs CAP_SETUID and CAP_SETGID";
    }
    std::ifstream file("/proc/self/setgroups");
    std::string setgroups;
    if (file >> setgroups && setgroups == "deny") {
      GTEST_SKIP() << "this user namespace forbids setgroups";
    }
    const passwd* nobody = ::getpwnam("nobody");
    if (nobody == nullptr) {
      GTEST_SKIP() << "needs a user nobody";
    }
    uid_ = nobody->pw_uid;
    gid_ = nobody->pw_gid;
    std::ifstream map("/proc/self/uid_map");
    uid_t first = 0;
    uid_t outside = 0;
    uint64_t count = 0;
    map >> first >> outside >> count;
    if (count <= uid_) {
      GTEST_SKIP() << "this user namespace has no user nobody";
    }
  }

  bool IsNobody() const {
    uid_t real = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    gid_t group = ::getegid();
    ::getresuid(&real, &effective, &saved);
    return real == uid_ && effective == uid_ && saved == uid_ && group == gid_;
  }

  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

TEST_F(DropPrivilegesAsRoot, LeavesNothingOfRoot) {
  EXPECT_TRUE(HoldsInChild([this] {
    const gid_t extra = 0;
    return ::setgroups(1, &extra) == 0 && Drop({.user = "nobody"}).ok() && IsNobody() &&
           NoCapabilities() && NoNewPrivileges() &&
           // Of this thread alone: setuid() asks all, and aborts where ThreadSanitizer's may.
           ::syscall(SYS_setuid, 0) != 0 &&
           // Root's supplementary group is gone with root.
           !::group_member(0);
  }));
}

TEST_F(DropPrivilegesAsRoot, KeepsNetAdminAndNothingElseWhenAsked) {
  if ((Mask("CapPrm") & kNetAdmin) == 0) {
    GTEST_SKIP() << "needs CAP_NET_ADMIN";
  }
  EXPECT_TRUE(HoldsInChild([this] {
    return Drop({.user = "nobody", .keep_net_admin = true}).ok() && IsNobody() &&
           Mask("CapPrm") == kNetAdmin && Mask("CapEff") == kNetAdmin && Mask("CapInh") == 0 &&
           NoNewPrivileges() && ::prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 0;
  }));
}

TEST_F(DropPrivilegesAsRoot, NothingCanBeGivenBackByAProgramEither) {
  if ((Mask("CapEff") & uint64_t{1} << CAP_SETPCAP) == 0) {
    GTEST_SKIP() << "needs CAP_SETPCAP";
  }
  EXPECT_TRUE(HoldsInChild(
      [] { return Drop({.user = "nobody", .keep_net_admin = true}).ok() && Mask("CapBnd") == 0; }));
}

TEST_F(DropPrivilegesAsRoot, AsRootItselfGivesUpCapabilitiesAlone) {
  EXPECT_TRUE(HoldsInChild([] {
    return Drop({.user = "root", .nobody_if_root = true}).ok() && ::geteuid() == 0 &&
           NoCapabilities() && NoNewPrivileges();
  }));
}

TEST_F(DropPrivilegesAsRoot, ASecondDropToSomebodyElseIsRefused) {
  EXPECT_TRUE(HoldsInChild([] {
    if (!Drop({.user = "nobody"}).ok()) {
      return false;
    }
    const Status status = Drop({.user = "root"});
    return !status.ok() && status.error().kind == ErrorKind::kRuntime &&
           status.error().message.find("root") != std::string::npos && ::geteuid() != 0;
  }));
}

TEST_F(DropPrivilegesAsRoot, BecomesNobodyByDefaultWhereThatIsWanted) {
  EXPECT_TRUE(HoldsInChild(
      [this] { return Drop({.nobody_if_root = true}).ok() && IsNobody() && NoCapabilities(); }));
  EXPECT_TRUE(HoldsInChild([] { return Drop({}).ok() && ::geteuid() == 0 && NoCapabilities(); }));
}

TEST_F(DropPrivilegesAsRoot, WithoutTheRightToBecomeAnybodyStaysByDefault) {
  EXPECT_TRUE(HoldsInChild([] {
    // As in a container that has nothing but CAP_NET_ADMIN.
    if (!Drop({.keep_net_admin = true}).ok()) {
      return false;
    }
    return Drop({.nobody_if_root = true}).ok() && ::geteuid() == 0 && NoCapabilities();
  }));
}

TEST_F(DropPrivilegesAsRoot, ThreadsThatTheWorkStartsHaveNoRightsWhileTheCallerKeepsThem) {
  EXPECT_TRUE(HoldsInChild([this] {
    const uint64_t before = Mask("CapEff");
    bool powerless = false;
    const auto plan = PlanPrivileges({.user = "nobody"});
    const Status status = RunWithPrivilegesDropped(plan.value(), [&] {
      std::thread([&] { powerless = IsNobody() && NoCapabilities() && NoNewPrivileges(); }).join();
      return Status();
    });
    return status.ok() && powerless && ::geteuid() == 0 && Mask("CapEff") == before &&
           !NoNewPrivileges() && DropPrivileges(plan.value()).ok() && IsNobody();
  }));
}

TEST_F(DropPrivilegesAsRoot, StillFollowsIntoDeathWhomItWasToldToFollow) {
  EXPECT_TRUE(HoldsInChild([] {
    int signal = 0;
    return ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0 && Drop({.user = "nobody"}).ok() &&
           ::prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) == 0 && signal == SIGTERM;
  }));
}

TEST(DropPrivileges, UnknownUserIsAConfigurationError) {
  const auto plan = PlanPrivileges({.user = "no-such-user-here"});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().kind, ErrorKind::kConfig);
  EXPECT_NE(plan.error().message.find("'no-such-user-here'"), std::string::npos);
}

TEST(DropPrivileges, WithoutAUserGivesUpWhateverIsHeldAndStays) {
  EXPECT_TRUE(HoldsInChild([] {
    const uid_t uid = ::geteuid();
    return Drop({}).ok() && NoNewPrivileges() && NoCapabilities() && ::geteuid() == uid;
  }));
}

TEST(DropPrivileges, AnErrorOfTheWorkIsHandedOn) {
  EXPECT_TRUE(HoldsInChild([] {
    const Status status = RunWithPrivilegesDropped({}, [] { return Status(RuntimeError("no")); });
    return !status.ok() && status.error().message == "no";
  }));
}

}  // namespace
}  // namespace pcap_zmq
