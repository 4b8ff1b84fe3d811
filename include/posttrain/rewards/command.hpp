// SPDX-License-Identifier: Apache-2.0
// Judged by a program: 1 where it ends with status 0, else 0; or the number that it prints.
//
//   Command{.program = {"/usr/bin/python3", "-I", "-"}, .fenced = true}    runs the answer's code
//   Command{.program = {"/opt/judge", "completion.txt"}, .input = CommandInput::files}
//
// It runs in a process group, a scratch folder and an empty environment of its own, within limits;
// at the deadline all of it is killed. Namespaces are used where the kernel allows them, and the
// reason of each verdict says which held. Where they do not, this is no security boundary: the
// program reads what its user may read and can leave processes behind (docs/verifiers.md#command).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/rewards/process/containment.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

enum class CommandInput {
  text,   // the completion on standard input
  json,   // one line {"prompt", "completion", "answer", "record"} on standard input
  files,  // prompt.txt, completion.txt, answer.txt, record.json in the scratch folder
};

enum class CommandValue {
  exit_status,  // 0: 1; any other: 0
  last_line,    // the number in the last line of standard output; another status than 0: 0
};

struct Command {
  std::vector<std::string> program{};  // the path of an executable file, and arguments
  CommandInput input = CommandInput::text;
  CommandValue value = CommandValue::exit_status;
  bool fenced = false;       // the completion is its last block between ```; none: 0
  bool after_think = false;  // the completion begins behind the last </think>; none: 0
  double timeout = 4.0;      // seconds; below the pool's, so that the program is ended
  std::int64_t cpu_seconds = 4;
  std::int64_t memory_mib = 1024;          // address space of each process
  std::int64_t file_size_mib = 16;         // of each file
  std::int64_t processes = 32;             // where a user namespace counts them
  std::int64_t output_kib = 64;            // on standard output and error; more ends the program
  std::vector<std::string> environment{};  // "NAME=VALUE"; nothing else is set
  std::string scratch{};                   // where scratch folders are made; empty: $TMPDIR or /tmp
  bool namespaces = true;                  // false: none is tried

  void validate() const;

  /// A program that runs too long, writes too much or is ended by a signal is worth 0; one that
  /// cannot be started is an error. `parsed` is the end of its output.
  Verdict operator()(const Sample& sample) const;

  /// What the kernel allows here: runs /bin/true, or the program given, once.
  rewards::Containment containment() const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/command.ipp"
#endif
