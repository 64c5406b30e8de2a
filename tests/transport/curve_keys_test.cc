// SPDX-License-Identifier: MIT
#include "transport/curve_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace pcap_zmq::testing {
namespace {

// The pair that ZeroMQ's manual shows in zmq_curve_keypair(3) and its RFC 26.
constexpr char kPublicKey[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
constexpr char kSecretKey[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

mode_t ModeOf(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class CurveKeys : public ::testing::Test {
 protected:
  std::string SecretFile(const std::string& content, mode_t mode = 0600) {
    const std::string path = dir_.Write("own.key", content);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  void ExpectRefused(const std::string& path, const std::string& reason) {
    const auto keys = ReadSecretKey(path);
    ASSERT_FALSE(keys.ok()) << path;
    EXPECT_EQ(keys.error().kind, ErrorKind::kConfig);
    EXPECT_NE(keys.error().message.find(path), std::string::npos) << keys.error().message;
    EXPECT_NE(keys.error().message.find(reason), std::string::npos) << keys.error().message;
    EXPECT_EQ(keys.error().message.find(kSecretKey), std::string::npos) << "tells the key";
  }

  TempDir dir_;
};

TEST_F(CurveKeys, NewOnesAreDifferentAndWellFormed) {
  const auto first = MakeCurveKeys();
  const auto second = MakeCurveKeys();
  ASSERT_TRUE(first.ok() && second.ok());
  for (const std::string& key : {first.value().public_key, first.value().secret_key}) {
    EXPECT_TRUE(IsCurveKey(key)) << key;
  }
  EXPECT_NE(first.value().secret_key, second.value().secret_key);
  EXPECT_NE(first.value().public_key, first.value().secret_key);
}

TEST_F(CurveKeys, ThePublicKeyIsDerivedFromTheSecretOne) {
  const auto keys = ReadSecretKey(SecretFile(std::string(kSecretKey) + "\n"));
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  EXPECT_EQ(keys.value().public_key, kPublicKey);
  EXPECT_EQ(keys.value().secret_key, kSecretKey);
}

TEST_F(CurveKeys, WhiteSpaceAroundAKeyDoesNotMatter) {
  const auto key = ReadPublicKey(dir_.Write("a.pub", "\r\n " + std::string(kPublicKey) + " \t\n"));
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ(key.value(), kPublicKey);
}

TEST_F(CurveKeys, AFileThatOthersCanReadOrWriteIsRefused) {
  for (const mode_t mode : {0640U, 0604U, 0620U, 0610U, 0644U, 0666U}) {
    ExpectRefused(SecretFile(kSecretKey, mode), "chmod 600");
  }
  EXPECT_TRUE(ReadSecretKey(SecretFile(kSecretKey, 0400)).ok());
}

TEST_F(CurveKeys, WhatIsNoKeyIsRefused) {
  ExpectRefused(SecretFile(""), "no key of 40 characters");
  ExpectRefused(SecretFile(std::string(kSecretKey).substr(1)), "no key of 40 characters");
  ExpectRefused(SecretFile(std::string(kSecretKey) + "x"), "no key of 40 characters");
  ExpectRefused(SecretFile(std::string(40, '"')), "no key of 40 characters");
  ExpectRefused(SecretFile(std::string(40, '#')), "no key of 40 characters");
  ExpectRefused(SecretFile(std::string(kSecretKey).replace(7, 1, 1, '\0')), "no key");
  ExpectRefused(SecretFile(std::string(100'000, 'x')), "no key of 40 characters");
}

TEST_F(CurveKeys, WhatIsNoFileIsRefused) {
  ExpectRefused(dir_.File("missing"), "No such file");
  ExpectRefused(dir_.path(), "not a regular file");
  const std::string fifo = dir_.File("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  ExpectRefused(fifo, "not a regular file");
}

TEST_F(CurveKeys, WhatIsWrittenIsForItsOwnerAndReadBack) {
  const mode_t umask = ::umask(0);
  const auto keys = MakeCurveKeys();
  const std::string directory = dir_.File("new");
  const Status written = WriteNewKeys(directory, "gw-1", keys.value());
  ::umask(umask);
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(ModeOf(directory + "/gw-1.key"), 0600U);
  EXPECT_EQ(ModeOf(directory + "/gw-1.pub"), 0644U);
  EXPECT_EQ(ReadSecretKey(directory + "/gw-1.key").value().public_key, keys.value().public_key);
  EXPECT_EQ(ReadPublicKey(directory + "/gw-1.pub").value(), keys.value().public_key);
}

TEST_F(CurveKeys, NothingIsOverwrittenAndNothingHalfIsLeft) {
  const auto keys = MakeCurveKeys();
  for (const char* taken : {"gw.key", "gw.pub"}) {
    const TempDir directory;
    directory.Write(taken, "mine");
    const Status written = WriteNewKeys(directory.path(), "gw", keys.value());
    ASSERT_FALSE(written.ok());
    EXPECT_NE(written.error().message.find("never overwritten"), std::string::npos)
        << written.error().message;
    EXPECT_EQ(std::filesystem::file_size(directory.File(taken)), 4U);
    const auto entries = std::filesystem::directory_iterator(directory.path());
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "a half is left beside " << taken;
  }
}

TEST_F(CurveKeys, ADirectoryThatCannotBeMadeIsAnErrorThatNamesIt) {
  const Status written = WriteNewKeys(dir_.File("no/such"), "gw", MakeCurveKeys().value());
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message.find(dir_.File("no/such")), std::string::npos);
}

}  // namespace
}  // namespace pcap_zmq::testing
