// SPDX-License-Identifier: Apache-2.0
// Definitions of command.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/command.hpp"
#include "posttrain/rewards/process/run_process.hpp"
#include "posttrain/rewards/process/scratch_folder.hpp"
#include "posttrain/rewards/text/decimal.hpp"
#include "posttrain/rewards/text/parts.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain {

namespace rewards::detail {

inline ProcessLimits limits_of(const posttrain::Command& command) {
  return {.seconds = command.timeout,
          .cpu_seconds = command.cpu_seconds,
          .memory = command.memory_mib << 20,
          .file_size = command.file_size_mib << 20,
          .processes = command.processes,
          .output = static_cast<std::size_t>(command.output_kib) << 10,
          .namespaces = command.namespaces};
}

inline std::string json_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// How a program ended, for people.
inline std::string ending_of(const ProcessResult& result, const posttrain::Command& command) {
  if (result.timed_out) return fmt::format("timed out after {} s", command.timeout);
  if (result.flooded) return fmt::format("wrote more than {} KiB", command.output_kib);
  if (result.signal != 0) return fmt::format("ended by signal {}", result.signal);
  return fmt::format("exit status {}", result.exit_status);
}

/// The last line that is not empty, at most 200 bytes of it.
inline std::string last_line(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  text = trimmed(text);
  const std::size_t line = text.rfind('\n');
  if (line != text.npos) text.remove_prefix(line + 1);
  return text::repair_utf8(text.substr(0, kLongest));
}

}  // namespace rewards::detail

POSTTRAIN_INLINE void Command::validate() const {
  if (program.empty() || program[0].find('/') == std::string::npos) {
    raise(
        "expected Command.program to begin with the path of an executable file, got '{}'; hint: "
        "the "
        "environment is empty, so there is no PATH to search",
        program.empty() ? "" : program[0]);
  }
  if (!(timeout > 0.0 && timeout <= 86400.0)) {
    fail("posttrain: Command.timeout must be above 0 and at most a day of seconds");
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  for (const std::int64_t limit : {cpu_seconds, memory_mib, file_size_mib, processes, output_kib}) {
    if (limit < 1 || limit > kMost) fail("posttrain: Command's limits must be at least 1");
  }
  for (const std::string& variable : environment) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      raise("expected Command.environment to hold NAME=VALUE, got '{}'", variable);
    }
  }
}

POSTTRAIN_INLINE rewards::Containment Command::containment() const {
  const rewards::ScratchFolder folder(scratch);
  return rewards::run_process(program.empty() ? std::vector<std::string>{"/bin/true"} : program,
                              environment, "", folder.path().string(),
                              rewards::detail::limits_of(*this))
      .held;
}

POSTTRAIN_INLINE Verdict Command::operator()(const Sample& sample) const {
  validate();
  std::optional<std::string_view> part = rewards::judged_part(sample.completion, after_think);
  if (!part) return Verdict::of(0.0, "", rewards::kNoEndOfThoughts);
  if (fenced) part = rewards::last_fenced_block(*part);
  if (!part) return Verdict::of(0.0, "", "no block between ```");

  const rewards::ScratchFolder folder(scratch);
  const Json record = sample.record ? *sample.record : Json(nullptr);
  std::string standard_input;
  if (input == CommandInput::text) {
    standard_input = *part;
  } else if (input == CommandInput::json) {
    standard_input = rewards::detail::json_text({{"prompt", sample.prompt},
                                                 {"completion", *part},
                                                 {"answer", sample.answer},
                                                 {"record", record}}) +
                     "\n";
  } else {
    folder.write("prompt.txt", sample.prompt);
    folder.write("completion.txt", *part);
    folder.write("answer.txt", sample.answer);
    folder.write("record.json", rewards::detail::json_text(record));
  }
  const rewards::ProcessResult result =
      rewards::run_process(program, environment, standard_input, folder.path().string(),
                           rewards::detail::limits_of(*this));
  const std::string ending = rewards::detail::ending_of(result, *this);
  std::string last = rewards::detail::last_line(result.output);
  const std::string errors = rewards::detail::last_line(result.errors);
  std::string reason =
      fmt::format("{}{}; held: {}", ending, errors.empty() ? "" : " (" + one_line(errors) + ")",
                  result.held.text());
  const bool ended_well = !result.timed_out && !result.flooded && result.exit_status == 0;
  double number = ended_well ? 1.0 : 0.0;
  if (ended_well && value == CommandValue::last_line) {
    const auto printed = rewards::Decimal::parse(last);
    if (!printed || !std::isfinite(printed->to_double())) {
      raise("expected {} to print a number in its last line, got '{}'", program[0], last);
    }
    number = printed->to_double();
  }
  return Verdict::of(number, std::move(last), std::move(reason));
}

}  // namespace posttrain
