// SPDX-License-Identifier: Apache-2.0
// What the programs of tests/gpu.sh share: results as JSON lines on standard output, times of work
// on a device, one line for an error.
#pragma once

#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>

#include "posttrain/base/error_text.hpp"
#include "posttrain/base/stopwatch.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/tensor/device.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/stand_in_cuda.hpp"

namespace posttrain::gpu {

inline void say(const Json& line) {
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

/// A comparison: `value` must not be above `bound` (nor be NaN).
inline void say_check(const std::string& name, double value, double bound) {
  say({{"check", name}, {"value", value}, {"bound", bound}, {"ok", value <= bound}});
}
inline void say_check(const std::string& name, bool holds, const std::string& detail = "") {
  say({{"check", name}, {"ok", holds}, {"detail", holds ? "" : detail}});
}

/// Waits for all work of a device.
inline void finish_work(at::Device device) {
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

/// Seconds of one run of `work` on a device: the least of three means over `repeats` runs that are
/// started one after another, after two to warm up.
template <class Work>
double seconds_of(at::Device device, int repeats, const Work& work) {
  for (int i = 0; i < 2; ++i) work();
  double least = 1e30;
  for (int turn = 0; turn < 3; ++turn) {
    finish_work(device);
    const Stopwatch watch;
    for (int i = 0; i < repeats; ++i) work();
    finish_work(device);
    least = std::min(least, watch.seconds() / repeats);
  }
  return least;
}

/// Bytes in a second of a copy within the device's memory, each counted as read and as written.
inline double copied_bytes_per_second(at::Device device, bool tiny) {
  const std::int64_t bytes = std::int64_t{1} << (tiny ? 20 : 31);
  const Tensor from = at::zeros({bytes}, at::TensorOptions(device).dtype(at::kByte));
  const Tensor to = at::empty_like(from);
  return 2.0 * static_cast<double>(bytes) / seconds_of(device, 10, [&] { to.copy_(from); });
}

/// The options that every part has.
struct Common {
  std::string device = "cuda";
  bool tiny = false;

  void add_to(CLI::App& app) {
    app.add_option("--device", device, "cpu, cuda or cuda:N");
    app.add_flag("--tiny", tiny, "sizes for a test on the stand-in device");
  }
};

/// Parses and runs; an error becomes one line.
inline int run_program(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error_text(error));
    return 1;
  }
  return 0;
}

/// A part of a program: its options are those of `Common` and what `part` adds.
template <class Part>
void add_part(CLI::App& app, const std::string& name, Part& part) {
  CLI::App* command = app.add_subcommand(name);
  part.common.add_to(*command);
  part.add_to(*command);
  command->callback([&part] { part.run(); });
}

}  // namespace posttrain::gpu
