// SPDX-License-Identifier: MIT
#include "transport/endpoint_watch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "tests/support/scarcity.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

using Endpoints = EndpointWatch::Endpoints;

// A name service that says what the test wants.
class NameService {
 public:
  void Say(const std::string& endpoint, Result<Endpoints> answer) {
    const std::lock_guard lock(mutex_);
    answers_.insert_or_assign(endpoint, std::move(answer));
  }
  // Lookups do not return until Answer().
  void Hang() {
    const std::lock_guard lock(mutex_);
    hangs_ = true;
  }
  void Answer() {
    const std::lock_guard lock(mutex_);
    hangs_ = false;
    changed_.notify_all();
  }
  uint64_t lookups() {
    const std::lock_guard lock(mutex_);
    return lookups_;
  }
  uint64_t ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  Result<Endpoints> Lookup(const std::string& endpoint) {
    std::unique_lock lock(mutex_);
    ++lookups_;
    changed_.wait(lock, [this] { return !hangs_; });
    ++ended_;
    const auto found = answers_.find(endpoint);
    return found != answers_.end() ? found->second : RuntimeError("no such host");
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Result<Endpoints>> answers_;  // guarded by mutex_, as the rest
  bool hangs_ = false;
  uint64_t lookups_ = 0;
  uint64_t ended_ = 0;
};

class EndpointWatchTest : public ::testing::Test {
 protected:
  std::unique_ptr<EndpointWatch> Watch(Endpoints given, Nanoseconds interval = kNanosPerMilli) {
    return std::make_unique<EndpointWatch>(
        std::move(given), interval,
        [names = names_](const std::string& endpoint) { return names->Lookup(endpoint); });
  }

  const std::shared_ptr<NameService> names_ = std::make_shared<NameService>();
};

TEST_F(EndpointWatchTest, ANameStandsForAllItsAddresses) {
  names_->Say("tcp://ids:1", Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1"});
  const auto watch = Watch({"ipc:///run/x", "tcp://ids:1", "tcp://10.0.0.9:1"});
  watch->Look();
  EXPECT_EQ(*watch->endpoints(), (Endpoints{"ipc:///run/x", "tcp://10.0.0.1:1", "tcp://10.0.0.2:1",
                                            "tcp://10.0.0.9:1"}));
  EXPECT_EQ(names_->lookups(), 1U) << "what is an address already is not looked up";
}

TEST_F(EndpointWatchTest, BeforeTheFirstAnswerANameStandsForItself) {
  const auto watch = Watch({"tcp://ids:1"});
  EXPECT_EQ(*watch->endpoints(), Endpoints{"tcp://ids:1"});
  watch->Look();
  EXPECT_EQ(*watch->endpoints(), Endpoints{"tcp://ids:1"});
  names_->Say("tcp://ids:1", Endpoints{"tcp://10.0.0.1:1"});
  watch->Look();
  EXPECT_EQ(*watch->endpoints(), Endpoints{"tcp://10.0.0.1:1"});
}

TEST_F(EndpointWatchTest, AFailingOrEmptyAnswerChangesNothing) {
  names_->Say("tcp://ids:1", Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1"});
  names_->Say("tcp://more:1", Endpoints{"tcp://10.0.1.1:1"});
  const auto watch = Watch({"tcp://ids:1", "tcp://more:1"});
  watch->Look();
  const Endpoints before = *watch->endpoints();
  const uint64_t version = watch->version();
  names_->Say("tcp://ids:1", RuntimeError("the name service does not answer"));
  watch->Look();
  names_->Say("tcp://ids:1", Endpoints());
  watch->Look();
  EXPECT_EQ(*watch->endpoints(), before);
  EXPECT_EQ(watch->version(), version);
  names_->Say("tcp://more:1", Endpoints{"tcp://10.0.1.2:1"});
  watch->Look();
  EXPECT_EQ(*watch->endpoints(),
            (Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1", "tcp://10.0.1.2:1"}))
      << "the others are followed meanwhile";
  EXPECT_NE(watch->version(), version);
}

TEST_F(EndpointWatchTest, TheSameAddressFromTwoNamesIsOneEndpoint) {
  names_->Say("tcp://a:1", Endpoints{"tcp://10.0.0.1:1"});
  names_->Say("tcp://b:1", Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1"});
  const auto watch = Watch({"tcp://a:1", "tcp://b:1", "tcp://10.0.0.2:1"});
  watch->Look();
  EXPECT_EQ(*watch->endpoints(), (Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1"}));
}

TEST_F(EndpointWatchTest, AnAnswerOfThousandsIsCut) {
  Endpoints many;
  for (int i = 0; i < 5000; ++i) {
    many.push_back("tcp://10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ":1");
  }
  names_->Say("tcp://ids:1", many);
  const auto watch = Watch({"tcp://ids:1"});
  watch->Look();
  EXPECT_EQ(watch->endpoints()->size(), EndpointWatch::kMaxEndpoints);
}

TEST_F(EndpointWatchTest, ItsThreadLooksAgainAndAgain) {
  names_->Say("tcp://ids:1", Endpoints{"tcp://10.0.0.1:1"});
  const auto watch = Watch({"tcp://ids:1"});
  watch->Look();
  const uint64_t version = watch->version();
  ASSERT_TRUE(watch->Start().ok());
  ASSERT_TRUE(WaitUntil([&] { return names_->lookups() > 5; }));
  EXPECT_EQ(watch->version(), version) << "nothing has changed";
  names_->Say("tcp://ids:1", Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1"});
  EXPECT_TRUE(WaitUntil([&] { return watch->version() != version; }));
  EXPECT_EQ(*watch->endpoints(), (Endpoints{"tcp://10.0.0.1:1", "tcp://10.0.0.2:1"}));
}

TEST_F(EndpointWatchTest, AThreadThatTheSystemRefusesIsAnError) {
  const auto watch = Watch({"tcp://ids:1"});
  const NoNewThreads none;
  const Status started = watch->Start();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("resolver"), std::string::npos) << started.error().message;
}

TEST_F(EndpointWatchTest, WithoutANameThereIsNothingToLookUp) {
  const auto watch = Watch({"tcp://10.0.0.1:1", "tcp://[::1]:1", "ipc:///run/x"});
  watch->Look();
  ASSERT_TRUE(watch->Start().ok());
  EXPECT_EQ(watch->endpoints()->size(), 3U);
  EXPECT_EQ(names_->lookups(), 0U);
}

TEST_F(EndpointWatchTest, ANameServiceThatHangsHoldsNobodyUp) {
  names_->Say("tcp://ids:1", Endpoints{"tcp://10.0.0.1:1"});
  auto watch = Watch({"tcp://ids:1"});
  watch->Look();
  names_->Hang();
  const uint64_t before = names_->lookups();
  ASSERT_TRUE(watch->Start().ok());
  ASSERT_TRUE(WaitUntil([&] { return names_->lookups() > before; }));
  EXPECT_EQ(*watch->endpoints(), Endpoints{"tcp://10.0.0.1:1"});
  watch.reset();  // returns although the lookup does not
  EXPECT_EQ(names_->ended(), before);
  names_->Answer();
  EXPECT_TRUE(WaitUntil([&] { return names_->ended() == before + 1; }));
}

}  // namespace
}  // namespace pcap_zmq::testing
