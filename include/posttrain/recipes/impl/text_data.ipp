// SPDX-License-Identifier: Apache-2.0
// Definitions of text_data.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstddef>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/documents.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/recipes/from_sources.hpp"
#include "posttrain/recipes/text_data.hpp"

namespace posttrain {

namespace detail {

/// use(policy) with the data policy that reads source `i`. The held-out data come with the first.
template <class Use>
void with_policy(const TextData& data, std::size_t i, const Use& use) {
  const LiteralString path = data.path[i].path;
  const LiteralString validation = i == 0 ? data.validation_path : LiteralString{};
  switch (data.kind) {
    case TextKind::documents:
      return use(Documents{.path = path,
                           .block_size = data.block_size,
                           .document_column = data.document_column,
                           .validation_path = validation});
    case TextKind::tokens:
      return use(Tokenized{.path = path, .validation_path = validation});
    default:
      return use(Messages{.path = path, .unmask = data.unmask, .validation_path = validation});
  }
}

}  // namespace detail

POSTTRAIN_INLINE void TextData::validate() const {
  path.validate();
  for (std::size_t i = 0; i < path.size(); ++i) {
    detail::with_policy(*this, i, [](const auto& policy) { policy.validate(); });
  }
}

POSTTRAIN_INLINE data::LoadedData TextData::load(const data::LoadContext& context) const {
  data::LoadedData all = load_sources(path, [&](std::size_t i) {
    data::LoadedData one;
    detail::with_policy(*this, i, [&](const auto& policy) { one = policy.load(context); });
    return one;
  });
  output.keep(all);
  return all;
}

}  // namespace posttrain
