// SPDX-License-Identifier: Apache-2.0
// Definitions of run_card.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/version.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/io/hub_cache.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/trainer/run/run_card.hpp"

namespace posttrain {

namespace detail {

/// A policy's type as its users name it: "Lora" of BasicLora. One that is chosen at run time says
/// in words what it is, "Dpo{.beta = 0.1}".
inline std::string type_of(const Json& policy) {
  constexpr std::string_view kBasic = "Basic";
  std::string type = policy.value("type", std::string());
  const std::string words = policy.value("description", std::string());
  const std::size_t end = words.find('{');
  if (end != words.npos && std::all_of(words.begin(), words.begin() + end,
                                       [](unsigned char c) { return std::isalnum(c) != 0; })) {
    type = words.substr(0, end);
  }
  return type.starts_with(kBasic) ? type.substr(kBasic.size()) : type;
}

/// A type of a policy, and what stands before it in words.
struct NamedType {
  std::string between;
  std::string type;
};

/// Adds the types of a policy: the terms of a sum of losses, what others wrap behind their own.
inline void add_types(std::vector<NamedType>& all, const Json& policy,
                      const std::string& between = "") {
  if (!policy.is_object() || policy.value("weight", Json()) == 0.0) return;
  if (policy.contains("first") && policy.contains("second")) {
    add_types(all, policy.at("first"), between);
    add_types(all, policy.at("second"), "` + `");
    return;
  }
  const std::string type = type_of(policy);
  const bool plain = type != "Weighted";
  if (plain) all.push_back({all.empty() ? "" : between, type});
  for (const char* inner : {"loss", "params"}) {
    if (policy.contains(inner)) add_types(all, policy.at(inner), plain ? "` of `" : between);
  }
}

/// A type in the words of a tag: "bradley-terry" of BradleyTerry.
inline std::string tag_of(std::string_view type) {
  std::string tag;
  for (std::size_t i = 0; i < type.size(); ++i) {
    const bool capital = type[i] >= 'A' && type[i] <= 'Z';
    const bool begins = capital && i > 0 && !(type[i - 1] >= 'A' && type[i - 1] <= 'Z');
    if (begins) tag += '-';
    tag += type[i] == '_' ? '-' : capital ? static_cast<char>(type[i] | 0x20) : type[i];
  }
  return tag;
}

/// A policy in words; its types become tags of the card, but for `From`, whose folder's writer
/// knows what it goes on with.
inline std::string tagged_name(io::ModelCard& card, const Json& policy) {
  std::vector<NamedType> types;
  add_types(types, policy);
  std::string name;
  for (const NamedType& each : types) {
    name += each.between + each.type;
    if (each.type != "From") card.add_tag(tag_of(each.type));
  }
  return name;
}

/// Cuts texts that no one reads in a card: lists that a policy was given in memory, say.
inline void shorten_texts(Json& value) {
  constexpr std::size_t kMost = 1000;
  if (value.is_structured()) {
    for (Json& each : value) shorten_texts(each);
  } else if (value.is_string() && value.get_ref<const std::string&>().size() > kMost) {
    const std::string& text = value.get_ref<const std::string&>();
    value = fmt::format("{}… ({} bytes)", text.substr(0, kMost), text.size());
  }
}

/// What the base's own card says of languages and licence, where there is one that can be read.
inline io::ModelCard card_of_base(const std::string& path) {
  constexpr std::size_t kLargestCard = std::size_t{4} << 20U;
  std::error_code ignored;
  if (path.empty() || !io::fs::is_directory(path, ignored)) return {};
  try {
    const auto text =
        io::read_text_file_if_exists(io::fs::path(path) / io::kModelCardFile, kLargestCard);
    return text ? io::read_model_card(*text) : io::ModelCard{};
  } catch (const Error&) {
    return {};
  }
}

/// A name of the Hub, and no path of a folder here.
inline bool names_hub_model(const std::string& name) {
  std::error_code ignored;
  return name.find('/') != name.npos && io::is_hub_name(name) && !io::fs::exists(name, ignored);
}

/// A line of a list, where there is something to say.
inline std::string line(std::string_view name, const std::string& value) {
  return value.empty() ? "" : fmt::format("- {}: {}\n", name, value);
}
inline std::string line(std::string_view name, double value) {
  return std::isfinite(value) ? fmt::format("- {}: {:.6g}\n", name, value) : "";
}

}  // namespace detail

POSTTRAIN_INLINE void RunCard::take_base(const RunRecord& identity) {
  const Json& all = identity.json();
  const auto model = all.find("model");
  if (model != all.end()) base_content_ = model->value("content", std::string());
}

POSTTRAIN_INLINE std::string RunCard::data_text(const data::DataReport& report) const {
  std::string text = "## Data\n" + report.counts() + ".\n\n";
  for (const data::ReadFile& file : report.files.all()) {
    if (file.can_be_hashed && !file_hashes_.contains(file.path)) {
      file_hashes_[file.path] = file.content().value_or("");
    }
    const std::string& hash = file_hashes_[file.path];
    text += fmt::format(
        "- {}{}: {}\n", io::code_span(file.path), file.validation ? ", to validate on" : "",
        !file.can_be_hashed ? "read from a pipe"
        : hash.empty()      ? fmt::format("{} bytes when it was read, changed since", file.bytes)
                            : fmt::format("{} bytes, content `{}`", file.bytes, hash));
  }
  return text;
}

POSTTRAIN_INLINE io::ModelCard RunCard::made(const Base& base, const Progress& progress,
                                             std::int64_t total_steps,
                                             const data::DataReport& report) const {
  const Json& record = record_.json();
  io::ModelCard card = detail::card_of_base(base.path);
  std::string name = io::hub_name_of(base.path);
  if (name.empty() && detail::names_hub_model(base.name)) name = base.name;
  if (!base.drawn) card.base_model = name;
  card.add_tag("posttrain");
  const std::string loss = detail::tagged_name(card, record.at("loss"));
  const std::string params = detail::tagged_name(card, record.at("params"));
  const auto type = [&](const char* part) { return detail::type_of(record.at(part)); };
  const std::string at = base.path.empty() ? "" : io::code_span(base.path);
  card.body = fmt::format(
      "Trained with posttrain {}: loss `{}`, parameters `{}`, data `{}`, optimizer `{}`.\n\n"
      "## Base\n",
      kVersion, loss, params, type("data"), type("optimizer"));
  if (base.drawn) {
    card.body += "Weights drawn at random, for a configuration.\n\n";
  } else if (!name.empty()) {
    card.body += detail::line("name", io::code_span(name));
  } else if (!base.name.empty() && base.name != base.path) {
    card.body += detail::line("given as", io::code_span(base.name));
  }
  card.body += detail::line("path", at);
  card.body += base_content_.empty() ? "" : detail::line("content", io::code_span(base_content_));
  card.body += "\n" + data_text(report) + "\n## Run\n";
  card.body +=
      fmt::format("- steps: {} of {}\n- samples: {}\n- tokens: {}, {} of them scored\n",
                  progress.step, total_steps, progress.samples, progress.tokens, progress.scored);
  card.body += detail::line("loss of the last step", progress.last_loss);
  card.body += detail::line("val_loss", progress.val_loss);
  card.body += detail::line("lowest val_loss", progress.best_val_loss);

  Json policies = Json::object();
  for (const char* part : {"loss", "params", "data", "optimizer", "options"}) {
    policies[part] = record.at(part);
  }
  // Places of the run's own files decide nothing.
  for (const char* place : {"run_dir", "metrics_file", "checkpoint_storage", "tensorboard_log_dir",
                            "cache_dir", "progress"}) {
    policies["options"].erase(place);
  }
  detail::shorten_texts(policies);
  card.body += "\n## Policies and options\n```json\n" +
               policies.dump(2, ' ', false, Json::error_handler_t::replace) +
               "\n```\n\nContents are 128-bit hashes of posttrain's own (`base/hash.hpp`): equal "
               "ones are of equal files.\n";
  return card;
}

}  // namespace posttrain
