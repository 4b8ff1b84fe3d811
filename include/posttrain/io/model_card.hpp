// SPDX-License-Identifier: Apache-2.0
// The model card of a saved folder: README.md, with the YAML header that the Hugging Face Hub
// reads.
//
//   ---
//   library_name: transformers
//   base_model: org/name
//   ---
//
// A card says in a comment that it is ours, with a hash of its text, and is replaced when its
// folder is saved again. A README.md without that comment, and a card that someone changed, are not
// ours and are kept. Values in a header of another hand are read as far as they are single words or
// lists of them: text of several lines, anchors and nested values are passed over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "posttrain/io/file.hpp"

namespace posttrain::io {

inline constexpr std::string_view kModelCardFile = "README.md";

/// Fields of the header under the Hub's names; what is empty is left out.
struct ModelCard {
  std::string library_name{};         // "transformers", "peft"
  std::string pipeline_tag{};         // "text-generation"
  std::string base_model{};           // a name on the Hub, "org/name"
  std::string base_model_relation{};  // "finetune", "adapter"
  std::vector<std::string> language{};
  std::string license{};
  std::string license_name{};  // of the license "other"
  std::string license_link{};
  std::vector<std::string> tags{};
  std::string body{};  // Markdown below the title

  /// There is none: nothing is written.
  bool empty() const { return body.empty(); }

  /// Adds a tag unless it is there.
  void add_tag(std::string_view tag);

  /// The file of a folder of this name.
  std::string text(std::string_view model_name) const;
};

/// language, license, license_name and license_link of a README.md; all empty where it has no
/// header.
ModelCard read_model_card(std::string_view readme);

/// Whether this is a card as `ModelCard::text` made it.
bool is_own_model_card(std::string_view readme);

/// Puts README.md into `folder`, which will take the place of `target`: what stands in `target` if
/// that is not ours, else the card if there is one, else nothing.
void put_model_card(const fs::path& folder, const fs::path& target, const ModelCard& card);

/// A text between backquotes, on one line and in UTF-8.
std::string code_span(std::string_view text);

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/model_card.ipp"
#endif
