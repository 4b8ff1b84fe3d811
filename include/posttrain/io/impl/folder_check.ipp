// SPDX-License-Identifier: Apache-2.0
// Definitions of folder_check.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::io {

namespace detail {

struct FolderMark {
  FolderOf kind;
  std::string_view file;
  std::string_view owner;
  std::string_view policy;  // that opens it on a base
};

inline constexpr FolderMark kFolderMarks[] = {
    {FolderOf::model, "config.json", "a model", ""},
    {FolderOf::adapter, "adapter_config.json", "an adapter", "From<Lora>"},
    {FolderOf::delta, "osft_delta.json", "an OSFT delta", "From<Osft>"},
};

/// Names in a folder; none where it cannot be read.
inline std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

inline bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// What an adapter or a delta stands on, as its file says: " 'meta/base'" or "".
inline std::string base_in(const fs::path& config) {
  std::string problem;
  std::optional<Json> json;
  try {
    json = try_parse_json(read_text_file(config), problem);
  } catch (const Error&) {
  }
  if (!json || !json->is_object()) return "";
  const Json* base = value_under(*json, "base_model_name_or_path");
  return base == nullptr || !base->is_string() ? "" : " '" + base->get<std::string>() + "'";
}

inline std::string kind_hint(const FolderMark& found, const fs::path& folder) {
  if (found.kind == FolderOf::model) return "";
  std::string policy(found.policy);
  if (found.kind == FolderOf::adapter) {
    const std::string text = [&] {
      try {
        return read_text_file(folder / found.file);
      } catch (const Error&) {
        return std::string();
      }
    }();
    if (text.find("\"PROMPT_TUNING\"") != text.npos) policy = "From<PromptTuning>";
    if (text.find("\"PREFIX_TUNING\"") != text.npos) policy = "From<PrefixTuning>";
  }
  return fmt::format("; hint: open the base{} and attach {}{{.folder = \"{}\"}}",
                     base_in(folder / found.file), policy, folder.string());
}

/// Throws where the folder is one of another kind.
inline void check_kind(const fs::path& folder, const FolderMark& expected) {
  if (is_there(folder / expected.file)) return;
  for (const FolderMark& mark : kFolderMarks) {
    if (mark.kind == expected.kind || !is_there(folder / mark.file)) continue;
    raise("{}: is {}'s folder ({}), expected {}'s ({}){}", folder.string(), mark.owner, mark.file,
          expected.owner, expected.file, kind_hint(mark, folder));
  }
}

inline const FolderMark& mark_of(FolderOf kind) {
  return *std::ranges::find(kFolderMarks, kind, &FolderMark::kind);
}

}  // namespace detail

POSTTRAIN_INLINE std::string folder_listing(const fs::path& folder) {
  std::vector<std::string> names = detail::names_in(folder);
  constexpr std::size_t kMost = 8;
  if (names.empty()) return "nothing";
  const std::size_t count = names.size();
  names.resize(std::min(count, kMost));
  return join(names, ", ") + (count > kMost ? fmt::format(", … ({} entries)", count) : "");
}

POSTTRAIN_INLINE void check_folder(const fs::path& folder, FolderOf expected,
                                   std::string_view needed) {
  const detail::FolderMark& mark = detail::mark_of(expected);
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) {
    raise("{}: no such folder", folder.string());
  }
  if (error) raise("{}: {}", folder.string(), error.message());
  if (status.type() != fs::file_type::directory) {
    raise("{}: expected {}'s folder, found a file", folder.string(), mark.owner);
  }
  if (detail::is_there(folder / needed)) return;
  detail::check_kind(folder, mark);
  raise("{}: expected a file {}, found {}", folder.string(), needed, folder_listing(folder));
}

POSTTRAIN_INLINE void raise_no_weights(const fs::path& folder, FolderOf expected,
                                       std::string_view stem) {
  detail::check_kind(folder, detail::mark_of(expected));
  const std::string single = fmt::format("{}.safetensors", stem);
  const std::string index = single + ".index.json";
  std::vector<std::string> shards, pickles, others;
  for (const std::string& name : detail::names_in(folder)) {
    if (name.ends_with(".safetensors")) shards.push_back(name);
    if (name.ends_with(".bin") && name.find("model") != name.npos) pickles.push_back(name);
    if (name.ends_with(".gguf") || name.ends_with(".pth") || name.ends_with(".pt")) {
      others.push_back(name);
    }
  }
  const auto some = [](std::vector<std::string> names) {
    const std::size_t count = names.size();
    names.resize(std::min<std::size_t>(count, 4));
    return join(names, ", ") + (count > 4 ? fmt::format(", … ({} files)", count) : "");
  };
  const std::string where = folder.string();
  if (!shards.empty() && expected == FolderOf::model) {
    raise(
        "{}: found {} but neither {} nor {}; hint: is the download complete? the index belongs "
        "to the shards",
        where, some(shards), single, index);
  }
  if (!pickles.empty() && expected == FolderOf::model) {
    raise(
        "{}: expected {}, found {}; hint: convert it: python3 -c \"from transformers import "
        "AutoModelForCausalLM as M; M.from_pretrained('IN').save_pretrained('OUT')\"",
        where, single, some(pickles));
  }
  if (!pickles.empty()) {
    raise(
        "{}: expected {}, found {}; hint: convert it: python3 -c \"import torch; from "
        "safetensors.torch import save_file; w = torch.load('{}', weights_only=True); "
        "save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{}')\"",
        where, single, some(pickles), (folder / pickles.front()).string(),
        (folder / single).string());
  }
  if (!others.empty()) {
    raise("{}: expected {}, found {}; hint: weights are read from safetensors files alone", where,
          single, some(others));
  }
  raise("{}: expected {}{}, found {}", where, single,
        expected == FolderOf::model ? " or " + index : "", folder_listing(folder));
}

}  // namespace posttrain::io
