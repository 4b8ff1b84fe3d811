// SPDX-License-Identifier: Apache-2.0
// Definitions of hub_cache.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/io/hub_cache.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::io {

namespace detail {

inline bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

inline bool is_part_of_name(std::string_view part) {
  return !part.empty() && part.size() <= 96 && is_name_letter(part.front()) &&
         is_name_letter(part.back()) && std::ranges::all_of(part, [](char c) {
           return is_name_letter(c) || c == '-' || c == '.';
         });
}

inline std::string home_of(const EnvironmentVariables& environment) {
  if (auto home = environment.find("HOME")) return *std::move(home);
  const passwd* user = ::getpwuid(::getuid());
  return user == nullptr || user->pw_dir == nullptr ? "" : user->pw_dir;
}

/// A path with '~' at its beginning, $NAME and ${NAME} replaced; names that are not set stay.
inline std::string expanded_path(std::string path, const EnvironmentVariables& environment) {
  if (path == "~" || path.starts_with("~/")) path.replace(0, 1, home_of(environment));
  std::string text;
  for (std::size_t i = 0; i < path.size();) {
    const bool braced = path.substr(i).starts_with("${");
    const std::size_t begin = i + (braced ? 2 : 1);
    std::size_t end = begin;
    while (path[i] == '$' && end < path.size() && is_name_letter(path[end])) ++end;
    const bool closed = !braced || (end < path.size() && path[end] == '}');
    const std::optional<std::string> value =
        end > begin && closed ? environment.find(path.substr(begin, end - begin)) : std::nullopt;
    const std::size_t next = !value ? i + 1 : end + (braced ? 1 : 0);
    text += value ? *value : path.substr(i, 1);
    i = next;
  }
  return text;
}

/// Whether a file of a snapshot is one that text/chat_folder.hpp reads where it is there.
inline bool may_be_missed(std::string_view name) {
  constexpr std::string_view kRead[] = {"config.json",         "generation_config.json",
                                        "tokenizer.json",      "tokenizer_config.json",
                                        "chat_template.jinja", "special_tokens_map.json"};
  return std::ranges::find(kRead, name) != std::end(kRead) ||
         (name.starts_with("additional_chat_templates/") && name.ends_with(".jinja"));
}

/// Files that the client's listing of a snapshot has and the snapshot has not. Without a listing
/// (the client keeps one since its version 2), or with one of another form, nothing is known.
inline std::vector<std::string> missing_files(const fs::path& listing, const fs::path& snapshot) {
  std::vector<std::string> missing;
  const std::optional<std::string> text = read_text_file_if_exists(listing, kLargestJsonFile);
  std::string problem;
  const std::optional<Json> json = text ? try_parse_json(*text, problem) : std::nullopt;
  if (!json || !json->is_object() || json->value("format_version", Json()) != 1) return missing;
  const Json* files = value_under(*json, "files");
  if (files == nullptr || !files->is_object()) return missing;
  for (const auto& [name, entry] : files->items()) {
    std::error_code ignored;
    if (may_be_missed(name) && !fs::exists(snapshot / name, ignored)) missing.push_back(name);
  }
  return missing;
}

}  // namespace detail

POSTTRAIN_INLINE bool is_hub_name(std::string_view text) {
  if (text.find("--") != text.npos || text.find("..") != text.npos || text.ends_with(".git")) {
    return false;
  }
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return detail::is_part_of_name(text);
  return detail::is_part_of_name(text.substr(0, slash)) &&
         detail::is_part_of_name(text.substr(slash + 1));
}

POSTTRAIN_INLINE fs::path hub_cache(const EnvironmentVariables& environment) {
  const auto from = [&](const char* variable) -> std::optional<fs::path> {
    auto value = environment.find(variable);
    if (!value) return std::nullopt;
    return detail::expanded_path(*std::move(value), environment);
  };
  if (auto cache = from("HF_HUB_CACHE")) return *std::move(cache);
  if (auto cache = from("HUGGINGFACE_HUB_CACHE")) return *std::move(cache);
  if (const auto home = from("HF_HOME")) return *home / "hub";
  if (const auto caches = from("XDG_CACHE_HOME")) return *caches / "huggingface/hub";
  return fs::path(detail::home_of(environment)) / ".cache/huggingface/hub";
}

POSTTRAIN_INLINE fs::path find_model(const fs::path& model,
                                     const EnvironmentVariables& environment) {
  const std::string name = model.string();
  std::error_code error;
  // What cannot be looked at is there as well: opening it says why not.
  if (fs::status(model, error).type() != fs::file_type::not_found || !is_hub_name(name)) {
    return model;
  }
  const fs::path cache = hub_cache(environment);
  std::string folder = "models--" + name;
  if (const std::size_t slash = folder.find('/'); slash != folder.npos) {
    folder.replace(slash, 1, "--");
  }
  constexpr std::size_t kLargestRef = 4096;
  const std::optional<std::string> hash =
      read_text_file_if_exists(cache / folder / "refs/main", kLargestRef);
  const fs::path snapshot = cache / folder / "snapshots" / hash.value_or("");
  if (!hash || hash->empty() || !fs::is_directory(snapshot, error)) {
    if (name.find('/') == name.npos) return model;
    raise("{}: no such folder, and {} in the cache {}; hint: hf download {}", name,
          fs::exists(cache / folder, error) ? "no snapshot of its main" : "no such model",
          cache.string(), name);
  }
  const std::vector<std::string> missing =
      detail::missing_files(cache / folder / "trees" / (*hash + ".json"), snapshot);
  if (!missing.empty()) {
    raise("{}: its download is incomplete, {} lacks {}; hint: hf download {}", name,
          snapshot.string(), join(missing, ", "), name);
  }
  return snapshot;
}

POSTTRAIN_INLINE std::string hub_name_of(const fs::path& folder) {
  constexpr std::string_view kModels = "models--";
  const fs::path path = fs::absolute(folder / ".").lexically_normal().parent_path();
  const std::string model = path.parent_path().parent_path().filename().string();
  if (path.parent_path().filename() != "snapshots" || !model.starts_with(kModels)) return {};
  std::string name = model.substr(kModels.size());
  // No part of a name has "--".
  if (const std::size_t end = name.find("--"); end != name.npos) name.replace(end, 2, "/");
  return is_hub_name(name) ? name : "";
}

}  // namespace posttrain::io
