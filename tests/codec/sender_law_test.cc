// SPDX-License-Identifier: MIT
// Twin of none: sent = unseen + received + (lost - late), through encoder, a bad network and
// decoder.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Encoding;
using testing::Receiving;
using testing::SomePackets;

// A sender process whose frames may be lost, damaged, repeated and overtaken on their way.
struct Stream {
  explicit Stream(uint64_t id) : name("gw" + std::to_string(id)), encoding(id) {}

  std::string name;
  Encoding encoding;
  uint64_t sent = 0;
  std::vector<Bytes> on_the_way;
  std::vector<Bytes> held_back;  // far longer than a gap stays open
};

class Simulation {
 public:
  Simulation(uint32_t seed, size_t max_senders, uint64_t streams)
      : random_(seed), max_senders_(max_senders) {
    for (uint64_t id = 1; id <= streams; ++id) {
      streams_.push_back(std::make_unique<Stream>(id));
    }
    StartReceiver();
  }

  void Step() {
    Stream& stream = *streams_[random_() % streams_.size()];
    Send(&stream);
    while (stream.on_the_way.size() > random_() % 4) {
      // Mostly in order; now and then a later frame overtakes.
      const size_t last = stream.on_the_way.size() - 1;
      Deliver(&stream.on_the_way, std::min<size_t>(last, Chance(10) ? 1 + random_() % 3 : 0));
    }
    while (stream.held_back.size() > 5 + random_() % 5) {
      Deliver(&stream.held_back, random_() % stream.held_back.size());
    }
    receiving_->clock().Advance(static_cast<Nanoseconds>(random_() % (kNanosPerSecond / 4)));
    receiving_->senders().Age();
    if (Chance(30)) {
      receiving_->senders().Settle();
    }
    if (Chance(1)) {
      StartReceiver();
    }
  }

  // Ends all streams with a last control frame that arrives, and checks the law for each.
  void Finish() {
    for (const auto& stream : streams_) {
      while (!stream->on_the_way.empty()) {
        Deliver(&stream->on_the_way, 0);
      }
      while (!stream->held_back.empty()) {
        Deliver(&stream->held_back, 0);
      }
      receiving_->Decode(ControlOf(stream.get(), true));
    }
    receiving_->Pass(SenderTable::kSettleTime);
    uint64_t sent = 0;
    uint64_t accounted = 0;
    for (const auto& stream : streams_) {
      sent += stream->sent;
      if (streams_.size() <= max_senders_) {
        EXPECT_EQ(AccountedFor(receiving_->Sender(stream->name)), stream->sent) << stream->name;
      }
    }
    for (const SenderSnapshot& sender : receiving_->senders().Snapshot()) {
      accounted += AccountedFor(sender);
      lost_ += sender.lost_packets;
      late_ += sender.late_packets;
      unseen_ += sender.unseen_packets;
      received_ += sender.packets;
    }
    EXPECT_EQ(accounted, sent);
    EXPECT_EQ(received_, delivered_) << "counted as received is what was handed on";
  }

  uint64_t lost() const { return lost_; }
  uint64_t late() const { return late_; }
  uint64_t unseen() const { return unseen_; }
  uint64_t received() const { return received_; }

 private:
  static uint64_t AccountedFor(const SenderSnapshot& sender) {
    return sender.packets + sender.lost_packets - sender.late_packets + sender.unseen_packets;
  }

  bool Chance(uint32_t percent) { return random_() % 100 < percent; }

  Bytes ControlOf(Stream* stream, bool last) {
    return stream->encoding.Control(R"({"name": ")" + stream->name + "\"}", last);
  }

  void Send(Stream* stream) {
    if (Chance(10)) {
      stream->on_the_way.push_back(ControlOf(stream, false));
      return;
    }
    const std::vector<testing::TestPacket> packets = SomePackets(1 + random_() % 5);
    stream->sent += packets.size();
    for (Bytes& frame : stream->encoding.Frames(packets)) {
      if (Chance(5)) {
        // Some record's nanoseconds.
        const size_t record = (frame.size() - kFrameHeaderBytes) / packets.size();
        StoreLe<uint32_t>(
            frame.data() + kFrameHeaderBytes + random_() % packets.size() * record + 4, UINT32_MAX);
      }
      if (!Chance(10)) {
        (Chance(5) ? stream->held_back : stream->on_the_way).push_back(std::move(frame));
      }
    }
  }

  void Deliver(std::vector<Bytes>* frames, size_t which) {
    const auto at = frames->begin() + static_cast<ptrdiff_t>(which);
    for (int copies = Chance(5) ? 2 : 1; copies > 0; --copies) {
      delivered_ += testing::PacketsIn(receiving_->Decode(*at));
    }
    frames->erase(at);
  }

  // The accounts of the receiver before end with it; its senders are told by a control frame.
  void StartReceiver() {
    receiving_ = std::make_unique<Receiving>(max_senders_);
    delivered_ = 0;
    for (const auto& stream : streams_) {
      receiving_->Decode(ControlOf(stream.get(), false));
    }
  }

  std::mt19937 random_;
  const size_t max_senders_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::unique_ptr<Receiving> receiving_;
  uint64_t delivered_ = 0;
  uint64_t lost_ = 0;
  uint64_t late_ = 0;
  uint64_t unseen_ = 0;
  uint64_t received_ = 0;
};

// The network does its worst, or the law is not put to the test.
void ExpectTheLaw(size_t max_senders, uint64_t streams) {
  uint64_t lost = 0;
  uint64_t late = 0;
  uint64_t unseen = 0;
  uint64_t received = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed, max_senders, streams);
    for (int step = 0; step < 400; ++step) {
      simulation.Step();
    }
    simulation.Finish();
    lost += simulation.lost();
    late += simulation.late();
    unseen += simulation.unseen();
    received += simulation.received();
  }
  EXPECT_GT(lost, 1000U);
  if (streams <= max_senders) {  // others have to go long before anything is late
    EXPECT_GT(late, 100U);
  }
  EXPECT_GT(unseen, 1000U);
  EXPECT_GT(received, 1000U);
}

TEST(SenderLaw, SentIsUnseenAndReceivedAndLostButNotLateWhateverTheNetworkDoes) {
  ExpectTheLaw(16, 3);
}

TEST(SenderLaw, ItHoldsForMoreStreamsThanHaveAPlace) {
  ExpectTheLaw(1, 12);
}

}  // namespace
}  // namespace pcap_zmq
