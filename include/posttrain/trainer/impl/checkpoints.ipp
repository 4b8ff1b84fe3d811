// SPDX-License-Identifier: Apache-2.0
// Definitions of checkpoints.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/trainer/checkpoints.hpp"
#include "posttrain/trainer/run/differences.hpp"
#include "posttrain/trainer/stored_state.hpp"

namespace posttrain {

namespace detail {

inline constexpr std::int64_t kCheckpointFormat = 2;
inline constexpr std::int64_t kSlicedFormat = 3;  // with the tensors of "files", and their "sizes"
inline constexpr std::string_view kRecordFile = "trainer.json";
inline constexpr std::string_view kStreamFile = "stream.jsonl";
inline constexpr std::string_view kIdentityFile = "identity.json";

inline io::fs::path checkpoint_path(const std::string& folder, std::int64_t step) {
  return io::fs::path(folder) / fmt::format("step-{:08}", step);
}

/// Steps of the folders of checkpoints, ascending: those that have their record, or those that lost
/// it to a kill while they were removed.
inline std::vector<std::int64_t> checkpoint_steps(const std::string& folder, bool complete = true) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (const auto& entry : io::fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::string digits = name.starts_with("step-") ? name.substr(5) : "";
    if (digits.empty() || digits.size() > 18 ||
        digits.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    if (io::fs::exists(entry.path() / kRecordFile) == complete) steps.push_back(std::stoll(digits));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

inline constexpr std::size_t kLargestStream = std::size_t{1} << 34;  // bytes

inline std::string text_of(const Json& record) {
  return record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

inline std::string hash_of_text(std::string_view text) {
  ContentHash hash;
  hash.add(text);
  return hash.text();
}

/// A checkpoint's record. A damaged one throws.
inline Json read_record(const io::fs::path& file) {
  Json record = io::parse_json_without_duplicates(io::read_text_file(file, io::kLargestJsonFile),
                                                  file.string());
  if (!record.is_object()) raise("{}: expected an object", file.string());
  const auto format = record.find("format");
  if (format == record.end() || (*format != kCheckpointFormat && *format != kSlicedFormat)) {
    raise("{}: expected format {} or {}, found {}", file.string(), kCheckpointFormat, kSlicedFormat,
          format == record.end() ? "none" : io::shown(*format));
  }
  const auto stored = record.find("hash");
  const Json claimed = stored == record.end() ? Json() : *stored;
  record.erase("hash");
  if (claimed != hash_of_text(text_of(record))) {
    raise("{}: its content differs from its hash", file.string());
  }
  return record;
}

/// Puts a copy of a checkpoint into another folder, whole or not at all.
inline void copy_checkpoint(const io::fs::path& from, const std::string& storage) {
  io::create_folders(storage);
  io::AtomicFolder folder(io::fs::path(storage) / from.filename());
  io::sweep_abandoned(storage);
  for (const auto& entry : io::fs::directory_iterator(from)) {
    io::OutputFile file(folder.path() / entry.path().filename());
    file.write(io::MappedFile(entry.path()).bytes());
    file.close();
  }
  folder.commit(kRecordFile);
}

/// The checkpoints of several folders; of one step that of the earlier folder first.
inline std::vector<io::fs::path> newest_first(const std::vector<std::string>& folders) {
  std::vector<std::pair<std::int64_t, io::fs::path>> all;
  for (const std::string& folder : folders) {
    for (const std::int64_t step : checkpoint_steps(folder)) {
      all.emplace_back(-step, checkpoint_path(folder, step));
    }
  }
  std::ranges::stable_sort(all, {}, [](const auto& each) { return each.first; });
  std::vector<io::fs::path> paths;
  for (auto& [order, path] : all) paths.push_back(std::move(path));
  return paths;
}

/// What the stream kept; empty where it kept nothing. A damaged file throws.
inline std::string read_stream(const io::fs::path& path, const Json& record) {
  const auto hash = record.find("stream");
  if (hash == record.end()) return {};
  std::string text = io::read_text_file(path, kLargestStream);
  if (*hash != hash_of_text(text)) raise("{}: its content differs from its hash", path.string());
  return text;
}

/// `owner`: of what is stored, for the message.
inline void check_identity(const io::fs::path& folder, const Json& stored, const Json& own,
                           std::string_view owner = "the checkpoint") {
  std::vector<std::string> found = differences(stored, own, owner, "this run");
  if (found.empty()) return;
  const std::size_t count = found.size();
  found.resize(std::min<std::size_t>(count, 3));
  raise("{} is of another run: {}{}; hint: choose another run_dir, or Options.resume = false",
        folder.string(), join(found, "; "),
        count > 3 ? fmt::format(" (and {} more)", count - 3) : "");
}

}  // namespace detail

POSTTRAIN_INLINE Checkpoints::Checkpoints(const std::string& run_dir, std::int64_t keep,
                                          const RunRecord& identity, const std::string& storage)
    : folder_(run_dir.empty() ? "" : (io::fs::path(run_dir) / "checkpoints").string()),
      storage_(storage),
      keep_(keep),
      identity_(identity) {}

POSTTRAIN_INLINE std::vector<std::string> Checkpoints::folders() const {
  std::vector<std::string> all;
  for (const std::string& folder : {folder_, storage_}) {
    if (!folder.empty()) all.push_back(folder);
  }
  return all;
}

POSTTRAIN_INLINE void Checkpoints::check_storage_is_new() const {
  if (storage_.empty() || detail::checkpoint_steps(storage_).empty()) return;
  raise(
      "checkpoint_storage {} holds the checkpoints of an earlier run, and resume = false starts "
      "anew; hint: choose another folder",
      storage_);
}

POSTTRAIN_INLINE void Checkpoints::begin() const {
  if (folder_.empty()) return;
  io::create_folders(folder_);
  io::write_file_atomically(io::fs::path(folder_) / detail::kIdentityFile,
                            detail::text_of(identity_.json()));
  if (storage_.empty() || newest_ == 0) return;
  // A kill may have come between the checkpoint that the run goes on from and its copy.
  const io::fs::path own = detail::checkpoint_path(folder_, newest_);
  const io::fs::path copy = detail::checkpoint_path(storage_, newest_);
  if (io::fs::exists(own / detail::kRecordFile) && !io::fs::exists(copy / detail::kRecordFile)) {
    detail::copy_checkpoint(own, storage_);
  }
}

POSTTRAIN_INLINE std::string Checkpoints::save(const Progress& progress,
                                               const std::vector<NamedSlice>& tensors,
                                               const Team& team) {
  if (folder_.empty()) fail("a checkpoint needs Options.run_dir; hint: set it");
  const io::fs::path target = detail::checkpoint_path(folder_, progress.step);
  const bool parts = std::ranges::any_of(tensors, &NamedSlice::is_part);
  const Team writers = parts ? team : Team();
  std::optional<io::AtomicFolder> folder;  // the first writer's
  writers.by_first([&] {
    folder.emplace(target);
    io::sweep_abandoned(folder_);
  });
  const std::string place = writers.of_first(folder ? folder->path().string() : "");
  const Json written = StoredState::write(place, tensors, writers);
  writers.by_first([&] {
    Json record = {{"format", parts ? detail::kSlicedFormat : detail::kCheckpointFormat},
                   {"step", progress.step},
                   {"samples", progress.samples},
                   {"tokens", progress.tokens},
                   {"scored", progress.scored},
                   {"epoch", progress.position.epoch},
                   {"step_in_epoch", progress.position.step},
                   {"last_validation", progress.last_validation},
                   {"validations_without_gain", progress.validations_without_gain},
                   {"identity", identity_.json()}};
    record.update(written);
    if (std::isfinite(progress.last_loss)) record["last_loss"] = progress.last_loss;
    if (std::isfinite(progress.val_loss)) record["val_loss"] = progress.val_loss;
    if (std::isfinite(progress.best_val_loss)) record["best_val_loss"] = progress.best_val_loss;
    if (!progress.loss.empty()) record["loss"] = progress.loss;
    if (!progress.stream.empty()) {
      io::write_file_atomically(folder->path() / detail::kStreamFile, progress.stream);
      record["stream"] = detail::hash_of_text(progress.stream);
    }
    record["hash"] = detail::hash_of_text(detail::text_of(record));
    io::write_file_atomically(folder->path() / detail::kRecordFile, detail::text_of(record));
    folder->commit(detail::kRecordFile);
    if (!storage_.empty()) detail::copy_checkpoint(target, storage_);
  });
  newest_ = progress.step;
  unconfirmed_ = true;
  return target.string();
}

POSTTRAIN_INLINE void Checkpoints::confirm() {
  if (!std::exchange(unconfirmed_, false)) return;
  for (const std::string& folder : folders()) confirm(folder);
}

POSTTRAIN_INLINE void Checkpoints::confirm(const std::string& folder) const {
  std::vector<std::int64_t> steps = detail::checkpoint_steps(folder), superfluous;
  // One of a later step was damaged, or the run would have gone on from there.
  while (!steps.empty() && steps.back() > newest_) {
    superfluous.push_back(steps.back());
    steps.pop_back();
  }
  const auto old = std::max<std::int64_t>(0, static_cast<std::int64_t>(steps.size()) - keep_);
  superfluous.insert(superfluous.end(), steps.begin(), steps.begin() + old);
  std::error_code ignored;
  for (const std::int64_t step : superfluous) {
    // The record goes first: a kill in between leaves no half-deleted checkpoint to resume from.
    io::fs::remove(detail::checkpoint_path(folder, step) / detail::kRecordFile, ignored);
  }
  for (const std::int64_t step : detail::checkpoint_steps(folder, /*complete=*/false)) {
    io::fs::remove_all(detail::checkpoint_path(folder, step), ignored);
  }
}

POSTTRAIN_INLINE bool Checkpoints::load(Progress& progress, const std::vector<NamedSlice>& tensors,
                                        std::string& warning) {
  // What is written and read again is compared: a number may have two spellings.
  const Json own = io::parse_json(detail::text_of(identity_.json()), "identity");
  std::vector<std::string> damaged;
  for (const io::fs::path& folder : detail::newest_first(folders())) {
    Json record;
    std::optional<StoredState> state;
    std::string stream;
    try {
      record = detail::read_record(folder / detail::kRecordFile);
    } catch (const Error& error) {
      damaged.push_back(error.what());
      continue;
    }
    detail::check_identity(folder, record.at("identity"), own);
    try {
      state.emplace(folder, record);
      stream = detail::read_stream(folder / detail::kStreamFile, record);
    } catch (const Error& error) {
      damaged.push_back(error.what());
      continue;
    }
    state->check(tensors);
    at::NoGradGuard no_grad;
    for (const NamedSlice& tensor : tensors) state->read(tensor);
    progress.step = record.at("step");
    progress.samples = record.at("samples");
    progress.tokens = record.at("tokens");
    progress.scored = record.at("scored");
    progress.position = {record.at("epoch"), record.at("step_in_epoch")};
    progress.stream = std::move(stream);
    progress.loss = record.value("loss", std::vector<double>());
    progress.last_loss = record.value("last_loss", std::numeric_limits<double>::quiet_NaN());
    progress.last_validation = record.value("last_validation", std::int64_t{-1});
    progress.val_loss = record.value("val_loss", std::numeric_limits<double>::quiet_NaN());
    progress.best_val_loss = record.value("best_val_loss", std::numeric_limits<double>::infinity());
    progress.validations_without_gain = record.value("validations_without_gain", std::int64_t{0});
    if (!damaged.empty()) {
      warning = fmt::format("{}; the run goes on from {}", join(damaged, "; "), folder.string());
    }
    newest_ = progress.step;
    unconfirmed_ = true;
    return true;
  }
  if (damaged.empty()) {
    const io::fs::path file = io::fs::path(folder_) / detail::kIdentityFile;
    const auto text =
        folder_.empty() ? std::nullopt : io::read_text_file_if_exists(file, io::kLargestJsonFile);
    if (text) {
      detail::check_identity(file.parent_path().parent_path(), io::parse_json(*text, file.string()),
                             own, "the run there");
    }
    return false;
  }
  raise("no checkpoint is whole: {}; hint: resume = false starts anew and sets them aside",
        join(damaged, "; "));
}

POSTTRAIN_INLINE std::string Checkpoints::hint(std::int64_t step) const {
  std::vector<std::int64_t> steps;
  if (!folder_.empty()) steps = detail::checkpoint_steps(folder_);
  const bool suspect = !steps.empty() && steps.back() == step;
  if (suspect) steps.pop_back();
  constexpr const char* kHint = "; hint: lower learning_rate, look at the samples";
  if (steps.empty() && !suspect) return std::string("there is no checkpoint") + kHint;
  if (steps.empty()) {
    return fmt::format("the only checkpoint, of step {}, holds the weights that led here{}", step,
                       kHint);
  }
  return fmt::format(
      "the last good checkpoint is that of step {}{}{}", steps.back(),
      suspect ? fmt::format(" (that of step {} holds the weights that led here)", step) : "",
      kHint);
}

}  // namespace posttrain
