// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/command.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "posttrain/rewards/pool.hpp"
#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<Command>);

namespace {

Command shell(const std::string& script) { return {.program = {"/bin/sh", "-c", script}}; }

Verdict run(const Command& command, const std::string& completion = "text") {
  return command(sample_of(completion, "gold"));
}

/// Seconds that tell "at once" from the hours that the programs here would take, on a machine that
/// has other work, too.
constexpr double soon = 30.0;

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The processes (no zombies) with `mark` in their command lines, by their numbers here.
std::vector<pid_t> processes_with(const std::string& mark) {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string line = slurp(entry.path() / "cmdline");  // a zombie's is empty
    if (line.find(mark) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

/// Whether none is left, now or soon: a killed process takes a moment to go.
bool gone(const std::string& mark) {
  for (int i = 0; i < 200; ++i) {
    if (processes_with(mark).empty()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// Seconds to sleep that no other process sleeps: they name a test's children.
std::string mark(int number) { return std::to_string(10'000'000 + 100 * ::getpid() + number); }

}  // namespace

TEST_CASE("status 0 is 1, any other 0, and the reason says how it ended and what held") {
  CHECK(value_of(run(shell("exit 0"))) == "1");
  const Verdict wrong = run(shell("echo first; echo last; echo oops >&2; exit 3"));
  CHECK(value_of(wrong) == "0");
  CHECK(wrong.parsed == "last");
  CHECK_THAT(wrong.reason, Catch::Contains("exit status 3 (oops); held: "));
  CHECK_THAT(run(shell("kill -9 $$; sleep 1; exit 7")).reason,
             Catch::Contains("ended by signal 9") || Catch::Contains("exit status 7"));
}

TEST_CASE("the completion comes on standard input, as JSON, or in files") {
  CHECK(run(shell("cat"), "a\nb").parsed == "b");
  const std::string large(3'000'000, 'x');
  CHECK(run(shell("wc -c"), large).parsed == "3000000");
  CHECK(value_of(run(shell("exit 0"), large)) == "1");  // unread

  Sample sample = sample_of("said", "gold");
  sample.prompt = "asked";
  sample.record = std::make_shared<const Json>(Json{{"column", 1}});
  Command json = shell("cat");
  json.input = CommandInput::json;
  CHECK(Json::parse(json(sample).parsed) == Json{{"prompt", "asked"},
                                                 {"completion", "said"},
                                                 {"answer", "gold"},
                                                 {"record", {{"column", 1}}}});
  Command files = shell("cat prompt.txt completion.txt answer.txt record.json; cat");
  files.input = CommandInput::files;
  CHECK(files(sample).parsed == R"(askedsaidgold{"column":1})");
}

TEST_CASE("a block of code is cut out by option") {
  Command fenced = shell("cat");
  fenced.fenced = true;
  CHECK(run(fenced, "So:\n```sh\nexit 0\n```\nDone.").parsed == "exit 0");
  CHECK(run(fenced, "none").reason == "no block between ```");
  fenced.after_think = true;
  CHECK(run(fenced, "```sh\nexit 0\n```").reason == "no </think>");
}

TEST_CASE("the number in the last line may be the value") {
  Command prints = shell("echo noise; echo 0.25");
  prints.value = CommandValue::last_line;
  CHECK(value_of(run(prints)) == "0.25");
  prints.program[2] = "echo -1.5e1; echo";
  CHECK(value_of(run(prints)) == "-15");
  prints.program[2] = "echo 1; exit 1";
  CHECK(value_of(run(prints)) == "0");
  prints.program[2] = "echo good";
  CHECK_THROWS_WITH(run(prints), "expected /bin/sh to print a number in its last line, got 'good'");
}

TEST_CASE("the environment is empty, the folder is fresh, and both are gone afterwards") {
  const TempFolder place;
  Command command{.program = {"/usr/bin/env"}};
  command.scratch = place.path().string();
  if (::geteuid() == 0) std::filesystem::permissions(place.path(), std::filesystem::perms(0755));
  CHECK(run(command).parsed.empty());
  command.environment = {"NAME=value"};
  CHECK(run(command).parsed == "NAME=value");
  command.program = {"/bin/sh", "-c",
                     "test -z \"$(ls -A)\" && mkdir -p a/b && touch a/b/c && chmod 0 a && pwd"};
  const Verdict verdict = run(command);
  CHECK(value_of(verdict) == "1");
  CHECK(verdict.parsed.starts_with(place.path().string()));
  CHECK(std::filesystem::is_empty(place.path()));
}

TEST_CASE("files and signals of the parent do not reach the program") {
  const int open_file = ::open("/dev/null", O_RDONLY);  // not closed on exec
  sigset_t blocked{}, before{};
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::signal(SIGUSR1, SIG_IGN);
  CHECK(run(shell("for f in /proc/self/fd/*; do echo -n ${f##*/}; done; echo")).parsed ==
        "0123");  // the last is the shell's own, of the folder that it lists
  CHECK(run(shell("grep SigBlk /proc/self/status")).parsed == "SigBlk:\t0000000000000000");
  CHECK(run(shell("grep SigIgn /proc/self/status")).parsed == "SigIgn:\t0000000000000000");
  ::signal(SIGUSR1, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  sigset_t now{};
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  CHECK(sigismember(&now, SIGTERM) == sigismember(&before, SIGTERM));
  ::close(open_file);
}

TEST_CASE("a program that hangs is killed with its group at the deadline, SIGTERM ignored or not") {
  for (const bool namespaces : {true, false}) {
    const std::string sleep = mark(namespaces ? 1 : 2);
    Command hangs = shell("trap '' TERM INT HUP; sleep " + sleep + " & sleep " + sleep +
                          " & sleep " + sleep + "; sleep " + sleep);
    hangs.timeout = 0.4;
    hangs.namespaces = namespaces;
    Verdict verdict;
    CHECK(seconds_of([&] { verdict = run(hangs); }) < soon);
    CHECK(value_of(verdict) == "0");
    CHECK_THAT(verdict.reason, Catch::Contains("timed out after 0.4 s"));
    CHECK(gone(sleep));
  }
}

TEST_CASE("what runs on in the background ends with the program") {
  for (const bool namespaces : {true, false}) {
    const std::string sleep = mark(namespaces ? 3 : 4);
    Command leaves = shell("sleep " + sleep + " & exit 0");
    leaves.namespaces = namespaces;
    Verdict verdict;
    CHECK(seconds_of([&] { verdict = run(leaves); }) < soon);
    CHECK(value_of(verdict) == "1");
    CHECK(gone(sleep));
  }
}

TEST_CASE("a daemon does not outlive the program in a PID namespace") {
  if (!shell("").containment().pids) POSTTRAIN_SKIP("the kernel allows no PID namespaces");
  const std::string sleep = mark(5);
  Command daemon = shell("setsid -f sleep " + sleep + "; sleep 0.3; exit 0");
  Verdict verdict;
  CHECK(seconds_of([&] { verdict = run(daemon); }) < soon);
  CHECK(value_of(verdict) == "1");
  CHECK(gone(sleep));
  daemon = shell("setsid -f sleep " + sleep + "; sleep " + sleep);
  daemon.timeout = 0.4;
  CHECK_THAT(run(daemon).reason, Catch::Contains("timed out"));
  CHECK(gone(sleep));
}

TEST_CASE("without namespaces a daemon outlives the program: the documents say so") {
  const std::string sleep = mark(6);
  Command daemon = shell("setsid -f sleep " + sleep + "; sleep 0.3; exit 0");
  daemon.namespaces = false;
  Verdict verdict;
  CHECK(seconds_of([&] { verdict = run(daemon); }) < soon);  // though it holds the output open
  CHECK(value_of(verdict) == "1");
  const std::vector<pid_t> left = processes_with(sleep);
  CHECK(left.size() == 1);
  for (const pid_t process : left) ::kill(process, SIGKILL);
  CHECK(gone(sleep));
}

TEST_CASE("a fork bomb stays within its number of processes") {
  if (!shell("").containment().processes) POSTTRAIN_SKIP("no user namespace counts processes here");
  const std::string sleep = mark(7);
  // A shell that cannot fork ends; its children stay.
  Command bomb = shell("(i=0; while [ $i -lt 200 ]; do sleep " + sleep +
                       " & i=$((i+1)); done); exec sleep " + sleep);
  bomb.processes = 16;
  bomb.timeout = 1.0;
  std::size_t most = 0;
  std::thread watcher([&] {
    for (int i = 0; i < 8; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      most = std::max(most, processes_with(sleep).size());
    }
  });
  CHECK(value_of(run(bomb)) == "0");
  watcher.join();
  CHECK(most > 8);
  CHECK(most <= 16);
  CHECK(gone(sleep));
}

TEST_CASE("a flood of output ends the program and is bounded") {
  for (const char* script : {"while :; do echo xxxxxxxxxxxxxxxxxxxx; done",
                             "while :; do echo xxxxxxxxxxxxxxxxxxxx >&2; done"}) {
    Command flood = shell(script);
    flood.output_kib = 8;
    Verdict verdict;
    CHECK(seconds_of([&] { verdict = run(flood); }) < soon);
    CHECK(value_of(verdict) == "0");
    CHECK_THAT(verdict.reason, Catch::Contains("wrote more than 8 KiB"));
    CHECK(verdict.reason.size() < 1000);
  }
  Command fits = shell("head -c 8192 /dev/zero");
  fits.output_kib = 8;
  CHECK(value_of(run(fits)) == "1");
  fits.program[2] = "head -c 8193 /dev/zero";
  CHECK(value_of(run(fits)) == "0");
}

TEST_CASE("memory, processor time and the size of files are limited") {
  Command memory = shell("head -c 200000000 /dev/zero | tail -c 200000000 | wc -c");
  memory.memory_mib = 1024;
  CHECK(run(memory).parsed == "200000000");
  memory.memory_mib = 64;
  CHECK(run(memory).parsed != "200000000");

  Command file = shell("head -c 3000000 /dev/zero > big && exit 0; exit 5");
  CHECK(value_of(run(file)) == "1");
  file.file_size_mib = 1;
  CHECK(value_of(run(file)) == "0");

  Command busy = shell("while :; do :; done");
  busy.cpu_seconds = 1;
  busy.timeout = 20.0;
  Verdict verdict;
  CHECK(seconds_of([&] { verdict = run(busy); }) < soon);
  CHECK(value_of(verdict) == "0");
  CHECK_THAT(verdict.reason, Catch::Contains("ended by signal"));
}

TEST_CASE("what the report says held, held") {
  const rewards::Containment held = shell("").containment();
  CHECK_THAT(run(shell("exit 0")).reason, Catch::EndsWith("held: " + held.text()));
  if (held.pids) CHECK(run(shell("echo $$")).parsed == "1");
  if (held.network) CHECK(run(shell("tail -n +3 /proc/net/dev | wc -l")).parsed == "1");  // lo
  const std::string outside =
      (std::filesystem::temp_directory_path() / ("posttrain-" + mark(8))).string();
  const Verdict write = run(shell("echo x > inside && echo y > " + outside));
  CHECK(value_of(write) == (held.files ? "0" : "1"));
  CHECK(std::filesystem::exists(outside) == !held.files);
  std::filesystem::remove(outside);
  if (held.processes && ::geteuid() == 0) CHECK(run(shell("id -u")).parsed == "65534");
  CHECK_THAT(run(shell("grep NoNewPrivs /proc/self/status")).parsed, Catch::EndsWith("1"));
  CHECK_THAT(run(shell("grep CapEff /proc/self/status")).parsed,
             Catch::EndsWith("0000000000000000"));

  Command none = shell("echo $$");
  none.namespaces = false;
  CHECK_FALSE(none.containment().pids);
  CHECK(run(none).parsed != "1");
  CHECK(rewards::Containment{}.text() == "nothing");
  CHECK(rewards::Containment{.pids = true, .files = true}.text() == "pids, files");
}

TEST_CASE("a program that cannot be started is an error, not a zero") {
  CHECK_THROWS_WITH(run({.program = {"/no/such/program"}}),
                    Catch::Contains("expected /no/such/program to start, got No such file or "
                                    "directory in execve"));
  CHECK_THROWS_WITH(run({.program = {"/etc/passwd"}}), Catch::Contains("got Permission denied"));
  CHECK_THROWS_WITH(run({.program = {"/bin/true"}, .scratch = "/no/such/place"}),
                    Catch::Contains("/no/such/place"));
}

TEST_CASE("several threads run programs at the same time") {
  Command command = shell("sleep 0.2; cat");
  VerifierPool pool{RewardSum{command}, {.threads = 8}};
  std::vector<Sample> samples;
  for (int i = 0; i < 16; ++i) samples.push_back(sample_of(std::to_string(i)));
  Verified verified;
  const double took = seconds_of([&] { verified = pool.verify(samples); });
  double one_by_one = 0;
  for (int i = 0; i < 16; ++i) {
    const Verdict& verdict = verified.verdicts[static_cast<std::size_t>(i)][0];
    CHECK(verdict.parsed == std::to_string(i));
    one_by_one += verdict.seconds;
  }
  CHECK(one_by_one > 2 * took);  // 8 times where the programs only sleep
}

TEST_CASE("bad options of Command are refused") {
  CHECK_NOTHROW(shell("exit 0").validate());
  CHECK_THROWS_WITH(Command{.program = {"python3"}}.validate(),
                    "expected Command.program to begin with the path of an executable file, got "
                    "'python3'; hint: the environment is empty, so there is no PATH to search");
  CHECK_THROWS_WITH(Command{}.validate(), Catch::Contains("got ''"));
  CHECK_THROWS_WITH((Command{.program = {"/bin/true"}, .timeout = 0.0}.validate()),
                    "posttrain: Command.timeout must be above 0 and at most a day of seconds");
  CHECK_THROWS_WITH((Command{.program = {"/bin/true"}, .memory_mib = 0}.validate()),
                    "posttrain: Command's limits must be at least 1");
  CHECK_THROWS_WITH((Command{.program = {"/bin/true"}, .environment = {"PATH"}}.validate()),
                    "expected Command.environment to hold NAME=VALUE, got 'PATH'");
}
