// SPDX-License-Identifier: Apache-2.0
// Runs a program in a process group of its own, within limits, and ends all of it at the deadline.
//
// The child shares the parent's memory until it executes the program (as posix_spawn does), so that
// a training process of any size starts it in a millisecond; nothing between is inherited but the
// three standard files. Namespaces are used where the kernel allows them: `held` says which. Where
// there is no PID namespace, a program that leaves the group (setsid) outlives the deadline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/rewards/process/containment.hpp"

namespace posttrain::rewards {

/// The user and group that the program of a root process runs as.
inline constexpr unsigned kNobody = 65534;

struct ProcessLimits {
  double seconds = 4.0;                             // wall-clock time
  std::int64_t cpu_seconds = 4;                     // of each process, rounded up by the kernel
  std::int64_t memory = std::int64_t{1} << 30;      // bytes of address space of each process
  std::int64_t file_size = std::int64_t{16} << 20;  // bytes of each file that is written
  std::int64_t processes = 32;                      // at the same time, threads included
  std::size_t output = std::size_t{64} << 10;       // bytes on standard output and error
  bool namespaces = true;                           // false: none is tried
};

struct ProcessResult {
  int exit_status = -1;    // −1: ended by a signal
  int signal = 0;          // that ended it; 0: none
  bool timed_out = false;  // killed at the deadline
  bool flooded = false;    // killed because it wrote more than `output`
  std::string output;      // standard output, then standard error behind it, within the bound
  std::string errors;
  double seconds = 0.0;
  Containment held;
};

/// `program` begins with the path of an executable file; `environment` holds "NAME=VALUE"; `input`
/// is its standard input; it starts in `folder`, an absolute path, the only place where it may
/// write. Where the caller is root and the folder nobody's, the program runs as nobody. A program
/// that cannot be started is an error.
ProcessResult run_process(const std::vector<std::string>& program,
                          const std::vector<std::string>& environment, std::string_view input,
                          const std::string& folder, const ProcessLimits& limits);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/process/impl/run_process.ipp"
#endif
