// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_folder.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::text::ChatFiles;
using posttrain::text::read_chat_files;

TEST_CASE("A file that is no regular one, or too large, is refused in one line") {
  const posttrain::test::TempFolder folder;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                           "special_tokens_map.json", "generation_config.json", "config.json"}) {
    INFO(name);
    const std::string path = (folder / name).string();
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK_THROWS_WITH(read_chat_files(folder.path()),
                      Catch::Contains(path) && Catch::Contains("found a pipe"));
    std::filesystem::remove(path);
    folder.write(name, "");
    const bool json = std::string_view(name).ends_with("json");
    const std::uintmax_t most = std::string_view(name) == "tokenizer.json"
                                    ? posttrain::io::kLargestTextFile
                                : json ? posttrain::io::kLargestJsonFile
                                       : posttrain::io::kLargestTemplateFile;
    std::filesystem::resize_file(path, most + 1);  // takes no room on the disk
    CHECK_THROWS_WITH(read_chat_files(folder.path()),
                      Catch::Contains(path) && Catch::Contains("expected a file of at most"));
    std::filesystem::remove(path);
  }
}

TEST_CASE("A folder's files are read, missing ones stay empty, named templates are sorted") {
  const posttrain::test::TempFolder folder;
  CHECK(read_chat_files(folder.path()).tokenizer.empty());
  folder.write("tokenizer.json", "{}");
  folder.write("chat_template.jinja", "x");
  std::filesystem::create_directory(folder.path() / "additional_chat_templates");
  folder.write("additional_chat_templates/tool_use.jinja", "t");
  folder.write("additional_chat_templates/rag.jinja", "r");
  folder.write("additional_chat_templates/notes.txt", "n");
  const ChatFiles files = read_chat_files(folder.path());
  CHECK(files.tokenizer == "{}");
  CHECK(files.chat_template == "x");
  CHECK(files.config.empty());
  REQUIRE(files.additional_templates.size() == 2);
  CHECK(files.additional_templates[0] == std::pair<std::string, std::string>{"rag", "r"});
  CHECK(files.additional_templates[1].first == "tool_use");
}

TEST_CASE("A path that is no folder is an error that says what is there") {
  const posttrain::test::TempFolder folder;
  CHECK_THROWS_WITH(read_chat_files(folder / "nowhere"),
                    Catch::EndsWith("nowhere: no such folder"));
  CHECK_THROWS_WITH(read_chat_files(folder.write("a", "b")), Catch::EndsWith("found a file"));
}
