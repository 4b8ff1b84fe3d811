// SPDX-License-Identifier: Apache-2.0
// Folders of others, looked at before they are opened: one line says what is wrong with one.
//
//   io::check_folder("path/of/a/model", io::FolderOf::model, "config.json");
//   → path/of/a/model: no such folder
//   → adapter: is an adapter's folder (adapter_config.json), expected a model's; hint: open the
//     base 'meta/base' and attach From<Lora>{.folder = "adapter"}
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "posttrain/io/file.hpp"

namespace posttrain::io {

enum class FolderOf {
  model,    // config.json
  adapter,  // adapter_config.json, of PEFT
  delta,    // osft_delta.json
};

/// Throws unless `folder` has the file `needed`: there is no folder, it is a file, it is a folder
/// of another kind (with the policy that reads it), or lacks the file (with what it holds). Without
/// `needed` the folder has to be there, whatever it holds.
void check_folder(const fs::path& folder, FolderOf expected, std::string_view needed = "");

/// Throws for a folder without weights that can be read: `stem` is "model" or "adapter_model". Says
/// what is there instead: shards without their index, files of torch.save, weights of GGUF.
[[noreturn]] void raise_no_weights(const fs::path& folder, FolderOf expected,
                                   std::string_view stem);

/// The names in a folder in order of the alphabet, the first of them: "a, b, … (12 entries)";
/// "nothing" for an empty one.
std::string folder_listing(const fs::path& folder);

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/folder_check.ipp"
#endif
