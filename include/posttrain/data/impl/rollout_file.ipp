// SPDX-License-Identifier: Apache-2.0
// Definitions of rollout_file.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/formats/reader.hpp"
#include "posttrain/data/rollout_file.hpp"
#include "posttrain/data/rollouts/rollout_lines.hpp"
#include "posttrain/io/json_lines.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE RecordedGroups read_rollout_file(std::string_view path, std::int64_t vocab_size,
                                                  std::int64_t max_tokens_per_batch) {
  RecordedGroups recorded;
  recorded.report.files.add(path);
  for (const std::string& file : source_files(path)) {
    io::JsonLinesReader reader{io::fs::path(file)};
    while (const auto line = reader.next()) {
      const std::string where = reader.where(line->line);
      if (!line->error.empty()) raise("{}: {}", where, line->error);
      RolloutGroup group = rollout_group_from(line->value, where);
      const auto size = std::ssize(group.samples);
      if (recorded.group_size == 0) recorded.group_size = size;
      if (size == 0 || size != recorded.group_size) {
        raise("{}: expected as many samples as in the first group, {}, got {}", where,
              recorded.group_size, size);
      }
      if (group.sample < 0) group.sample = std::ssize(recorded.groups);
      const auto check_known = [&](const TokenIds& ids) {
        for (const TokenId id : ids) {
          if (vocab_size > 0 && id >= vocab_size) {
            raise("{}: expected ids below the model's {}, got {}", where, vocab_size, id);
          }
        }
      };
      const auto check_ids = [&](const TokenIds& ids) {
        check_known(ids);
        recorded.report.tokens += std::ssize(ids);
      };
      check_ids(group.prompt);
      for (const RolloutSample& sample : group.samples) {
        check_ids(sample.ids);
        check_known(sample.support.ids);
        recorded.report.scored += sample.trained_tokens();
        recorded.drawn_logps = recorded.drawn_logps && !sample.sampled_logps.empty();
        const auto tokens = std::ssize(group.prompt) + std::ssize(sample.ids);
        if (max_tokens_per_batch > 0 && tokens > max_tokens_per_batch) {
          raise(
              "{}: a sample of {} tokens with its prompt does not fit max_tokens_per_batch = {}; "
              "hint: raise it",
              where, tokens, max_tokens_per_batch);
        }
      }
      recorded.content.add(to_json(group).dump(-1, ' ', false, Json::error_handler_t::replace));
      recorded.groups.push_back(std::move(group));
    }
    recorded.report.sources.push_back(file + ": rollouts");
  }
  if (recorded.groups.empty()) raise("{}: expected groups of samples, found none", path);
  recorded.report.read = recorded.report.sequences = recorded.report.train =
      std::ssize(recorded.groups);
  return recorded;
}

}  // namespace posttrain::data
