// SPDX-License-Identifier: MIT
#include "transport/authorized_keys.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"
#include "transport/curve_keys.h"

namespace pcap_zmq::testing {
namespace {

class AuthorizedKeysTest : public ::testing::Test {
 protected:
  std::string Key() {
    const auto keys = MakeCurveKeys();
    EXPECT_TRUE(keys.ok());
    return keys.value().public_key;
  }
  std::string Add(const std::string& name) {
    std::string key = Key();
    dir_.Write(name + ".pub", key + "\n");
    return key;
  }
  AuthorizedKeys::Names Now() {
    const Status refreshed = keys_.Refresh();
    EXPECT_TRUE(refreshed.ok()) << refreshed.error().message;
    return *keys_.names();
  }

  TempDir dir_;
  AuthorizedKeys keys_{dir_.path()};
};

TEST_F(AuthorizedKeysTest, AKeyIsNamedAfterItsFile) {
  const std::string first = Add("gw-1");
  const std::string second = Add("gw-2.example.org");
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{first, "gw-1"}, {second, "gw-2.example.org"}}));
}

TEST_F(AuthorizedKeysTest, AddedRemovedAndExchangedKeysAreNoticed) {
  const std::string first = Add("a");
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{first, "a"}}));
  const std::string second = Add("b");
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{first, "a"}, {second, "b"}}));
  std::filesystem::remove(dir_.File("a.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{second, "b"}}));
  // As an editor or a mounted secret does it: another file takes the name.
  const std::string third = Key();
  dir_.Write("new", third);
  std::filesystem::rename(dir_.File("new"), dir_.File("b.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{third, "b"}}));
}

TEST_F(AuthorizedKeysTest, FilesBehindSymbolicLinksThatAreExchangedAreNoticed) {
  std::filesystem::create_directory(dir_.File("v1"));
  std::filesystem::create_directory(dir_.File("v2"));
  const std::string first = Key();
  const std::string second = Key();
  dir_.Write("v1/gw.pub", first);
  dir_.Write("v2/gw.pub", second);
  std::filesystem::create_symlink("v1", dir_.File("data"));
  std::filesystem::create_symlink("data/gw.pub", dir_.File("gw.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{first, "gw"}}));
  std::filesystem::create_symlink("v2", dir_.File("next"));
  std::filesystem::rename(dir_.File("next"), dir_.File("data"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{second, "gw"}}));
}

// As Kubernetes mounts a Secret: the files are links into a directory that another takes the place
// of in one step.
TEST_F(AuthorizedKeysTest, AMountedSecretIsFollowedWhenItChanges) {
  const auto mount = [this](const std::string& version, const std::string& file,
                            const std::string& key) {
    std::filesystem::create_directory(dir_.File(version));
    dir_.Write(version + "/" + file, key);
    std::filesystem::create_symlink(version, dir_.File("..data_tmp"));
    std::filesystem::rename(dir_.File("..data_tmp"), dir_.File("..data"));
  };
  const std::string first = Key();
  const std::string second = Key();
  const std::string third = Key();
  mount("..2026_11_25_10_00_00.123", "nodes@.pub", first);
  std::filesystem::create_symlink("..data/nodes@.pub", dir_.File("nodes@.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{first, "nodes@"}}));
  mount("..2026_11_25_11_00_00.456", "nodes@.pub", second);
  std::filesystem::remove_all(dir_.File("..2026_11_25_10_00_00.123"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{second, "nodes@"}}));
  // The key is named otherwise in the next version: its old link leads nowhere for a moment.
  mount("..2026_11_25_12_00_00.789", "edge@.pub", third);
  EXPECT_EQ(Now(), AuthorizedKeys::Names());
  std::filesystem::create_symlink("..data/edge@.pub", dir_.File("edge@.pub"));
  std::filesystem::remove(dir_.File("nodes@.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{third, "edge@"}}));
}

TEST_F(AuthorizedKeysTest, AGroupsNameEndsInItsMarkAndIsANameOtherwise) {
  const std::string group = Add("nodes@");
  for (const char* name : {"@", "no@des@", "nodes@@", "@nodes", "a@b", "other@", "unnamed@"}) {
    Add(name);
  }
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{group, "nodes@"}}));
}

TEST_F(AuthorizedKeysTest, TheVersionChangesWithTheKeysAndOnlyThen) {
  Add("a");
  Now();
  const uint64_t before = keys_.version();
  Now();
  EXPECT_EQ(keys_.version(), before);
  Add("b");
  Now();
  EXPECT_NE(keys_.version(), before);
}

TEST_F(AuthorizedKeysTest, WhatIsNoKeyAuthorizesNobodyAndHarmsNoOther) {
  const std::string good = Add("good");
  dir_.Write("bad.pub", "not a key");
  dir_.Write("empty.pub", "");
  dir_.Write("has space.pub", Key());
  dir_.Write(".pub", Key());
  dir_.Write("other.pub", Key());
  dir_.Write("README", "public keys of our gateways");
  dir_.Write("own.key", Key());
  std::filesystem::create_directory(dir_.File("directory.pub"));
  std::filesystem::create_symlink("nowhere", dir_.File("dangling.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{good, "good"}}));
}

TEST_F(AuthorizedKeysTest, OneKeyInTwoFilesHasTheFirstName) {
  const std::string key = Add("b");
  dir_.Write("a.pub", key);
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{key, "a"}}));
}

TEST_F(AuthorizedKeysTest, ADirectoryThatIsMissingAtTheStartIsAConfigurationError) {
  AuthorizedKeys keys(dir_.File("missing"));
  const Status refreshed = keys.Refresh();
  ASSERT_FALSE(refreshed.ok());
  EXPECT_EQ(refreshed.error().kind, ErrorKind::kConfig);
  EXPECT_NE(refreshed.error().message.find(dir_.File("missing")), std::string::npos);
}

TEST_F(AuthorizedKeysTest, ADirectoryThatIsRemovedTakesAllKeysAway) {
  const std::string directory = dir_.File("keys");
  std::filesystem::create_directory(directory);
  dir_.Write("keys/gw.pub", Key());
  AuthorizedKeys keys(directory);
  ASSERT_TRUE(keys.Refresh().ok());
  ASSERT_EQ(keys.names()->size(), 1U);
  std::filesystem::remove_all(directory);
  EXPECT_TRUE(keys.Refresh().ok());
  EXPECT_TRUE(keys.names()->empty());
}

TEST_F(AuthorizedKeysTest, ADirectoryThatCannotBeReadForAMomentChangesNothing) {
  const std::string directory = dir_.File("keys");
  std::filesystem::create_directory(directory);
  const std::string key = Key();
  dir_.Write("keys/gw.pub", key);
  AuthorizedKeys keys(directory);
  ASSERT_TRUE(keys.Refresh().ok());
  // A loop of links stands for a failing disk: also root is refused.
  std::filesystem::rename(directory, dir_.File("aside"));
  std::filesystem::create_symlink("keys", directory);
  EXPECT_FALSE(keys.Refresh().ok());
  EXPECT_EQ(*keys.names(), (AuthorizedKeys::Names{{key, "gw"}}));
  std::filesystem::remove(directory);
  std::filesystem::rename(dir_.File("aside"), directory);
  EXPECT_TRUE(keys.Refresh().ok());
}

// A file that can be opened, but whose read fails with EIO: address 0 of this process.
constexpr char kBrokenFile[] = "/proc/self/mem";

TEST_F(AuthorizedKeysTest, AFileThatCannotBeReadForTheMomentKeepsItsKey) {
  const std::string first = Add("gw-1");
  const std::string second = Add("gw-2");
  EXPECT_EQ(Now().size(), 2U);
  std::filesystem::create_symlink(kBrokenFile, dir_.File("broken"));
  std::filesystem::rename(dir_.File("broken"), dir_.File("gw-1.pub"));
  const std::string third = Add("gw-3");
  const AuthorizedKeys::Names all = {{first, "gw-1"}, {second, "gw-2"}, {third, "gw-3"}};
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Now(), all);
  EXPECT_EQ(Now(), all);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("its last key remains valid"), std::string::npos) << log;
  EXPECT_EQ(log.find("gw-1.pub"), log.rfind("gw-1.pub")) << "said once: " << log;
  // Once it can be read, what is in it counts; and once it is gone, it authorizes nobody.
  const std::string changed = Add("new");
  std::filesystem::rename(dir_.File("new.pub"), dir_.File("gw-1.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{changed, "gw-1"}, {second, "gw-2"}, {third, "gw-3"}}));
  std::filesystem::create_symlink(kBrokenFile, dir_.File("broken"));
  std::filesystem::rename(dir_.File("broken"), dir_.File("gw-1.pub"));
  EXPECT_EQ(Now().size(), 3U);
  std::filesystem::remove(dir_.File("gw-1.pub"));
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{second, "gw-2"}, {third, "gw-3"}}));
}

TEST_F(AuthorizedKeysTest, AFileThatHoldsNoKeyLosesTheOneThatItHeld) {
  Add("gw");
  EXPECT_EQ(Now().size(), 1U);
  dir_.Write("new", "revoked");
  std::filesystem::rename(dir_.File("new"), dir_.File("gw.pub"));
  EXPECT_EQ(Now(), AuthorizedKeys::Names());
}

// A lease makes opens that do not wait fail, as those of file servers do, and changes nothing that
// the directory shows.
TEST_F(AuthorizedKeysTest, AFileThatCouldNotBeReadIsReadAgainThoughNothingHasChanged) {
  const std::string key = Add("gw");
  // The lease's holder is told when somebody wants the file, by a signal that is ignored.
  UniqueFd lease(::open(dir_.File("gw.pub").c_str(), O_RDWR | O_CLOEXEC));
  ::fcntl(lease.get(), F_SETSIG, SIGURG);
  if (::fcntl(lease.get(), F_SETLEASE, F_WRLCK) != 0) {
    GTEST_SKIP() << "no leases on files here: " << std::strerror(errno);
  }
  EXPECT_EQ(Now(), AuthorizedKeys::Names());
  const uint64_t version = keys_.version();
  EXPECT_EQ(Now(), AuthorizedKeys::Names());
  EXPECT_EQ(keys_.version(), version) << "a vain try is no change";
  lease.Reset();
  EXPECT_EQ(Now(), (AuthorizedKeys::Names{{key, "gw"}}));
}

}  // namespace
}  // namespace pcap_zmq::testing
