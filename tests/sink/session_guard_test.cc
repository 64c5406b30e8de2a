// SPDX-License-Identifier: MIT
#include "sink/session_guard.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/sink/fifo_testing.h"
#include "tests/support/fake_clock.h"

namespace pcap_zmq {
namespace {

using testing::PipeReader;
using testing::UnreadIn;
using testing::WithoutRoot;

class SessionGuardTest : public testing::SinkTest {
 protected:
  SessionGuardTest() { EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0); }

  SessionGuard MakeGuard(int pipe_bytes = 1 << 20) const {
    return SessionGuard(fifo_, pipe_bytes, &clock_);
  }
  // What Open() says to `guard`; the descriptor is closed at once.
  static int Try(SessionGuard* guard) {
    UniqueFd fd;
    struct stat identity {};
    return guard->Open(&fd, &identity);
  }
  UniqueFd OpenForWriting() const {
    return UniqueFd(::open(fifo_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  }
  // An earlier receiver writes `bytes` and ends; with a reader, the session goes on.
  void RunAReceiver(size_t bytes) const {
    SessionGuard guard = MakeGuard();
    UniqueFd fd;
    struct stat identity {};
    ASSERT_EQ(guard.Open(&fd, &identity), 0);
    const testing::Bytes data(bytes);
    ASSERT_EQ(::write(fd.get(), data.data(), bytes), static_cast<ssize_t>(bytes));
  }

  const std::string fifo_ = Path("fifo");
  testing::FakeClock clock_;
};

TEST_F(SessionGuardTest, OpensForAReaderThatNobodyHasServed) {
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), ENXIO);
  const PipeReader reader(fifo_);
  UniqueFd fd;
  struct stat identity {};
  EXPECT_EQ(guard.Open(&fd, &identity), 0);
  struct stat status {};
  ASSERT_EQ(::stat(fifo_.c_str(), &status), 0);
  EXPECT_EQ(identity.st_ino, status.st_ino);
  EXPECT_NE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(Try(&guard), 0) << "its own session is no hindrance";
}

// A pipe that nobody has marked has 16 pages, or 2.
TEST_F(SessionGuardTest, PipeGetsTheSizeAskedForUnlessItIsOneThatPipesHaveAnyway) {
  const int page = static_cast<int>(::sysconf(_SC_PAGESIZE));
  for (const auto& [asked, granted] : {std::pair{1, page},
                                       {page, page},
                                       {2 * page, 4 * page},
                                       {9 * page, 32 * page},
                                       {16 * page, 32 * page},
                                       {64 * page, 64 * page}}) {
    const PipeReader reader(fifo_);
    SessionGuard guard = MakeGuard(asked);
    UniqueFd fd;
    struct stat identity {};
    ASSERT_EQ(guard.Open(&fd, &identity), 0);
    EXPECT_EQ(::fcntl(fd.get(), F_GETPIPE_SZ), granted) << asked;
  }
}

TEST_F(SessionGuardTest, StaysOutUntilTheReaderHasGone) {
  for (const size_t unread : {0U, 24U, 100'000U}) {
    SCOPED_TRACE(unread);
    PipeReader reader(fifo_);
    RunAReceiver(unread);
    SessionGuard guard = MakeGuard();
    EXPECT_EQ(Try(&guard), EBUSY);
    EXPECT_EQ(Try(&guard), EBUSY);
    EXPECT_EQ(UnreadIn(reader.fd()), unread);
    reader.Leave();
    EXPECT_EQ(Try(&guard), ENXIO);
    const PipeReader next(fifo_);
    EXPECT_EQ(Try(&guard), 0);
  }
}

TEST_F(SessionGuardTest, WaitingLeavesTheReaderItsEndOfFile) {
  PipeReader reader(fifo_);
  RunAReceiver(10);
  SessionGuard guard = MakeGuard();
  for (int look = 0; look < 5; ++look) {
    EXPECT_EQ(Try(&guard), EBUSY);
    clock_.Advance(kNanosPerSecond);
  }
  EXPECT_EQ(reader.TakeAll().size(), 10U);
}

TEST_F(SessionGuardTest, NextReaderThatOpensBeforeTheOldOneClosesIsTheNextSession) {
  PipeReader reader(fifo_);
  RunAReceiver(10);
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), EBUSY);
  EXPECT_EQ(reader.TakeAll().size(), 10U);
  const PipeReader next(fifo_);
  EXPECT_EQ(Try(&guard), EBUSY);
  reader.Leave();
  EXPECT_EQ(Try(&guard), 0);
}

TEST_F(SessionGuardTest, ReaderThatLeavesDoesNotOpenTheWayToUnreadBytes) {
  PipeReader reader(fifo_);
  RunAReceiver(10);
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), EBUSY);
  PipeReader(fifo_).Leave();
  EXPECT_EQ(Try(&guard), EBUSY);
  reader.Take(10);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Try(&guard), EBUSY) << "it has not had its end of file";
  EXPECT_EQ(reader.TakeAll().size(), 10U);
}

TEST_F(SessionGuardTest, TenSecondsWithNothingToReadAreTheEndOfFile) {
  PipeReader reader(fifo_);
  RunAReceiver(10);
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), EBUSY);
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_EQ(Try(&guard), EBUSY);
  reader.Take(10);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Try(&guard), EBUSY);
  clock_.Advance(10 * kNanosPerSecond - 1);
  EXPECT_EQ(Try(&guard), EBUSY);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Try(&guard), 0);
}

// Such a reader cannot see an end of file, however long it is given.
TEST_F(SessionGuardTest, AnotherWriterKeepsTheSessionGoing) {
  PipeReader reader(fifo_);
  UniqueFd holder = OpenForWriting();
  RunAReceiver(10);
  reader.Take(10);
  SessionGuard guard = MakeGuard();
  for (int look = 0; look < 30; ++look) {
    EXPECT_EQ(Try(&guard), EBUSY);
    clock_.Advance(kNanosPerSecond);
  }
  holder.Reset();
  EXPECT_EQ(Try(&guard), EBUSY);
  EXPECT_EQ(reader.TakeAll().size(), 10U);
}

TEST_F(SessionGuardTest, BytesThatAnotherWriterKeepsAliveAreNotLeftForTheNextReader) {
  PipeReader reader(fifo_);
  const UniqueFd holder = OpenForWriting();
  RunAReceiver(100);
  reader.Leave();
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), ENXIO);
  EXPECT_EQ(UnreadIn(holder.get()), 0U);
  const PipeReader next(fifo_);
  EXPECT_EQ(Try(&guard), 0);
}

TEST_F(SessionGuardTest, UnreadBytesOfAnyWriterAreASession) {
  PipeReader reader(fifo_);
  ASSERT_EQ(::write(OpenForWriting().get(), "x", 1), 1);
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), EBUSY);
  EXPECT_EQ(reader.TakeAll().size(), 1U);
}

TEST_F(SessionGuardTest, AnotherFifoAtThePathHasItsOwnSessions) {
  const PipeReader reader(fifo_);
  RunAReceiver(10);
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), EBUSY);
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Try(&guard), ENOENT);
  ASSERT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  const PipeReader next(fifo_);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Try(&guard), 0);
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  ASSERT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  PipeReader third(fifo_);
  RunAReceiver(10);
  EXPECT_EQ(Try(&guard), EBUSY) << "somebody has been here, too";
  third.Leave();
  EXPECT_EQ(Try(&guard), ENXIO);
}

TEST_F(SessionGuardTest, FileAtThePathIsNotOpened) {
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  std::ofstream(fifo_) << "precious";
  SessionGuard guard = MakeGuard();
  EXPECT_EQ(Try(&guard), EINVAL);
}

TEST_F(SessionGuardTest, FifoThatMayNotBeReadIsWatchedByOpeningIt) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can read what nobody may read";
  }
  ASSERT_EQ(::chmod(fifo_.c_str(), 0222), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  PipeReader reader(fifo_);
  SessionGuard guard = MakeGuard();
  WithoutRoot([&] {
    RunAReceiver(10);
    EXPECT_EQ(Try(&guard), EBUSY);
    EXPECT_EQ(Try(&guard), EBUSY);
  });
  EXPECT_EQ(reader.TakeAll().size(), 10U);
  reader.Leave();
  const PipeReader next(fifo_);
  WithoutRoot([&] { EXPECT_EQ(Try(&guard), 0); });
}

}  // namespace
}  // namespace pcap_zmq
