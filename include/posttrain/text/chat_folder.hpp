// SPDX-License-Identifier: Apache-2.0
// The files of a pretrained folder that make its tokenizer and chat templates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "posttrain/io/file.hpp"
#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/hub_cache.hpp"
#include "posttrain/text/chat_files.hpp"

namespace posttrain::text {

/// Reads what there is in the folder of a model, or of a name of the Hub in the local cache
/// (io/hub_cache.hpp); what is missing stays empty. A path that is no folder is an error, and so is
/// a file that is no regular one, or larger than its kind may be (io/file.hpp).
inline ChatFiles read_chat_files(const io::fs::path& model) {
  const io::fs::path folder = io::find_model(model);
  io::check_folder(folder, io::FolderOf::model);
  const auto file = [&](const char* name, std::size_t most = io::kLargestJsonFile) {
    return io::read_text_file_if_exists(folder / name, most).value_or("");
  };
  ChatFiles files{.tokenizer = file("tokenizer.json", io::kLargestTextFile),
                  .tokenizer_config = file("tokenizer_config.json"),
                  .chat_template = file("chat_template.jinja", io::kLargestTemplateFile),
                  .special_tokens_map = file("special_tokens_map.json"),
                  .generation_config = file("generation_config.json"),
                  .config = file("config.json")};
  const io::fs::path named = folder / "additional_chat_templates";
  if (!io::fs::is_directory(named)) return files;
  for (const io::fs::directory_entry& entry : io::fs::directory_iterator(named)) {
    if (entry.path().extension() != ".jinja") continue;
    files.additional_templates.emplace_back(
        entry.path().stem().string(), io::read_text_file(entry.path(), io::kLargestTemplateFile));
  }
  std::ranges::sort(files.additional_templates);  // a folder's order is the file system's
  return files;
}

}  // namespace posttrain::text
