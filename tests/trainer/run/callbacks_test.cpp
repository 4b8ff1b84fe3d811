// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/callbacks.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

using Log = std::vector<std::string>;

/// Answers to every event.
struct Recorder {
  Log* log;
  std::string name;
  void add(const std::string& what) { log->push_back(name + ":" + what); }
  void on(const event::TrainBegin& e) { add("begin " + std::to_string(e.total_steps)); }
  void on(const event::EpochBegin& e) { add("epoch " + std::to_string(e.epoch)); }
  void on(const event::StepBegin& e) { add("step " + std::to_string(e.step)); }
  void on(const event::AfterStep& e) { add("after " + std::to_string(e.metrics.step)); }
  void on(const event::Evaluated& e) { add("evaluated " + std::to_string(e.best)); }
  void on(const event::CheckpointSaved& e) { add("saved " + e.path); }
  void on(const event::EpochEnd& e) { add("epoch end " + std::to_string(e.epoch)); }
  void on(const event::TrainEnd& e) { add("end " + std::to_string(e.steps)); }
};

/// Answers to one, by value, with state of its own.
struct Counter {
  std::shared_ptr<int> seen = std::make_shared<int>(0);
  int calls = 0;
  void on(event::AfterStep) { *seen = ++calls; }
};

struct Throws {
  void on(const event::AfterStep&) { throw std::runtime_error("stop here"); }
};

/// Asks for what it is given after every step, and says nothing of anything else.
struct Asks {
  event::Request request;
  event::Request on(const event::AfterStep&) { return request; }
  void on(const event::EpochEnd&) {}
};

/// Hears no event, but for g++ looks like a callback whose event was misspelt.
struct OfNumbers {
  void on(int) {}
};

}  // namespace

TEST_CASE("callbacks hear every event, in the order in which they were added",
          "[trainer][events]") {
  Log log;
  Callbacks callbacks;
  callbacks.add(Recorder{&log, "a"});
  callbacks.add(Recorder{&log, "b"});
  callbacks.notify(event::TrainBegin{0, 7});
  callbacks.notify(event::EpochBegin{1});
  callbacks.notify(event::StepBegin{2});
  callbacks.notify(event::AfterStep{{.step = 3}});
  callbacks.notify(event::Evaluated{3, 0.5, true});
  callbacks.notify(event::CheckpointSaved{3, "x/y"});
  callbacks.notify(event::EpochEnd{1});
  callbacks.notify(event::TrainEnd{3, false});
  CHECK(log == Log{"a:begin 7", "b:begin 7", "a:epoch 1", "b:epoch 1", "a:step 2", "b:step 2",
                   "a:after 3", "b:after 3", "a:evaluated 1", "b:evaluated 1", "a:saved x/y",
                   "b:saved x/y", "a:epoch end 1", "b:epoch end 1", "a:end 3", "b:end 3"});
}

TEST_CASE("a callback hears only what it asks for and keeps its state", "[trainer][events]") {
  Callbacks callbacks;
  const Counter counter;
  callbacks.add(counter);
  callbacks.notify(event::TrainBegin{});
  CHECK(*counter.seen == 0);
  for (int i = 0; i < 3; ++i) callbacks.notify(event::AfterStep{});
  CHECK(*counter.seen == 3);
}

TEST_CASE("a callback that hears no event is refused", "[trainer][events]") {
  Callbacks callbacks;
  CHECK_THROWS_WITH(callbacks.add(OfNumbers{}), Catch::Contains("hears no event"));
}

TEST_CASE("an exception of a callback is not swallowed", "[trainer][events]") {
  Log log;
  Callbacks callbacks;
  callbacks.add(Throws{});
  callbacks.add(Recorder{&log, "later"});
  CHECK_THROWS_WITH(callbacks.notify(event::AfterStep{}), "stop here");
  CHECK(log.empty());
  CHECK_NOTHROW(callbacks.notify(event::EpochEnd{4}));
  CHECK(log == Log{"later:epoch end 4"});
}

TEST_CASE("what hooks ask for is asked together; a hook that returns nothing asks for nothing",
          "[trainer][events]") {
  Log log;
  Callbacks callbacks;
  callbacks.add(Recorder{&log, "silent"});
  CHECK_FALSE(callbacks.notify(event::AfterStep{}).save);
  callbacks.add(Asks{{.save = true}});
  callbacks.add(Asks{{.stop = true}});
  const event::Request asked = callbacks.notify(event::AfterStep{});
  CHECK(asked.save);
  CHECK(asked.stop);
  const event::Request other = callbacks.notify(event::EpochEnd{});
  CHECK_FALSE(other.save);
  CHECK_FALSE(other.stop);
}

TEST_CASE("a list of callbacks is made at once and added behind others", "[trainer][events]") {
  Log log;
  const Callbacks pair = Callbacks::of(Recorder{&log, "a"}, Asks{{.save = true}});
  Callbacks all;
  all.add(Recorder{&log, "first"});
  all.add(pair);
  all.add(Callbacks::of());
  all.add(Callbacks::of(Recorder{&log, "last"}));
  CHECK(all.notify(event::AfterStep{{.step = 3}}).save);
  all.notify(event::EpochEnd{1});
  CHECK(log == Log{"first:after 3", "a:after 3", "last:after 3", "first:epoch end 1",
                   "a:epoch end 1", "last:epoch end 1"});
  // The list itself stays as it was.
  log.clear();
  Callbacks alone = pair;
  CHECK(alone.notify(event::AfterStep{{.step = 4}}).save);
  CHECK(log == Log{"a:after 4"});
}
