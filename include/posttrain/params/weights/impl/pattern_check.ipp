// SPDX-License-Identifier: Apache-2.0
// Definitions of pattern_check.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/base/nearest_name.hpp"
#include "posttrain/params/weights/pattern_check.hpp"

namespace posttrain::detail {

inline std::vector<std::string_view> components_of(std::string_view name) {
  std::vector<std::string_view> parts;
  while (!name.empty()) parts.push_back(take_until(name, '.'));
  return parts;
}

/// What a pattern of as many components could have been: runs of components, each once, those first
/// that come first.
inline std::vector<std::string> runs_of(const std::vector<std::string>& names, std::size_t length) {
  std::vector<std::string> runs;
  std::set<std::string, std::less<>> seen;
  for (const std::string& name : names) {
    const std::vector<std::string_view> parts = components_of(name);
    for (std::size_t i = 0; i + length <= parts.size(); ++i) {
      std::string run = join(
          std::vector<std::string_view>(parts.begin() + static_cast<std::ptrdiff_t>(i),
                                        parts.begin() + static_cast<std::ptrdiff_t>(i + length)),
          ".");
      if (seen.insert(run).second) runs.push_back(std::move(run));
    }
  }
  return runs;
}

/// For a pattern that is right but for its numbers (layers that the model does not have): the
/// largest number that there is; −1 for others.
inline std::int64_t largest_number(std::string_view pattern,
                                   const std::vector<std::string>& names) {
  std::vector<std::string_view> parts = components_of(pattern);
  bool any = false;
  for (std::string_view& part : parts) {
    std::string_view rest = part;
    if (!is_number(take_until(rest, '-')) || (!rest.empty() && !is_number(rest))) continue;
    part = "*";
    any = true;
  }
  std::int64_t largest = -1;
  const std::string open = join(parts, ".");
  for (const std::string& name : names) {
    if (!any || !matches_pattern(open, name)) continue;
    for (const std::string_view part : components_of(name)) {
      if (is_number(part)) largest = std::max(largest, to_number(part));
    }
  }
  return largest;
}

inline std::string selection_hint(std::string_view pattern, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  if (const std::int64_t last = largest_number(pattern, names); last >= 0) {
    return fmt::format("; hint: numbers there go from 0 to {}", last);
  }
  const std::vector<std::string> runs = runs_of(names, components_of(pattern).size());
  const std::string_view nearest = nearest_name(pattern, runs);
  if (nearest.empty()) return fmt::format("; hint: {} is one", names.front());
  return fmt::format("; hint: \"{}\" would", nearest);
}

inline bool selects(std::string_view pattern, const std::vector<std::string>& names) {
  return std::ranges::any_of(
      names, [&](const std::string& name) { return matches_pattern(pattern, name); });
}

POSTTRAIN_INLINE std::vector<std::string> module_names(const Layout& layout) {
  std::vector<std::string> names;
  for (const SiteSpec& site : layout.sites) {
    for (const MatrixSpec& part : site.parts) names.push_back(part.name);
  }
  for (const TableSpec& table : layout.tables) {
    names.push_back(table.name.substr(0, table.name.rfind('.')));
  }
  return names;
}

POSTTRAIN_INLINE std::vector<std::string> matrix_names(const Layout& layout) {
  std::vector<std::string> names;
  for (const SiteSpec& site : layout.sites) {
    for (const MatrixSpec& part : site.parts) names.push_back(part.name + ".weight");
  }
  return names;
}

POSTTRAIN_INLINE std::vector<std::string> tensor_names(const Layout& layout) {
  std::vector<std::string> names;
  for (const SiteSpec& site : layout.sites) {
    for (const MatrixSpec& part : site.parts) {
      if (site.shares < 0) names.push_back(part.name + ".weight");
      if (site.bias) names.push_back(part.name + ".bias");
    }
  }
  for (const TableSpec& table : layout.tables) names.push_back(table.name);
  for (const VectorSpec& vector : layout.vectors) names.push_back(vector.name);
  return names;
}

POSTTRAIN_INLINE void check_patterns(std::string_view option, std::string_view list,
                                     const std::vector<std::string>& names, std::string_view of,
                                     std::string_view keyword) {
  while (!list.empty()) {
    std::string_view item = take_until(list, ',');
    const std::string_view pattern = trimmed(take_until(item, '='));
    if (pattern.empty() || pattern == keyword || selects(pattern, names)) continue;
    raise("{} \"{}\" selects nothing {}{}", option, pattern, of, selection_hint(pattern, names));
  }
}

POSTTRAIN_INLINE void check_tensor_patterns(std::string_view option, std::string_view list,
                                            const Layout& layout, std::string_view tied_hint) {
  std::vector<std::string> names = tensor_names(layout);
  for (const SiteSpec& site : layout.sites) {
    if (site.shares < 0) continue;
    const std::string head = site.parts[0].name + ".weight";
    const std::string& table = layout.tables[static_cast<std::size_t>(site.shares)].name;
    const bool has_both = matches_any(list, table);
    for (std::string_view rest = list; !rest.empty();) {
      const std::string_view pattern = trimmed(take_until(rest, ','));
      if (!matches_pattern(pattern, head) || has_both || selects(pattern, names)) continue;
      const std::string_view module = std::string_view(table).substr(0, table.rfind('.'));
      raise("{} \"{}\": the head of this model is its embedding (tie_word_embeddings); hint: {}",
            option, pattern,
            tied_hint.empty() ? fmt::format("\"{}\"", module.substr(module.rfind('.') + 1))
                              : std::string(tied_hint));
    }
    names.push_back(head);
  }
  check_patterns(option, list, names);
}

}  // namespace posttrain::detail
