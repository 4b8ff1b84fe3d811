// SPDX-License-Identifier: Apache-2.0
// Writes the pocket world's files, or checks that the committed ones are what the generator writes.
//
//   make_pocket_data --check [--root examples/pocket]
//   make_pocket_data --data DIR --model DIR          data files; tokenizer and configuration
//   make_pocket_data --sums DIR                      worked sums and problems (sums.hpp)
//   make_pocket_data --corpus FILE --documents N     pre-training corpus, {"document": …} lines
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "data_files.hpp"
#include "posttrain/base/error.hpp"
#include "sums.hpp"

namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& content) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  if (!file) posttrain::raise("could not write {}; hint: check the folder's rights", path.string());
}

// Number of files that are missing or differ; says which.
int differences(const fs::path& folder, const pocket::Files& files) {
  int different = 0;
  for (const auto& [name, content] : files) {
    std::ifstream file(folder / name, std::ios::binary);
    const std::string found{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (file.is_open() && found == content) continue;
    fmt::print(stderr, "{} {}\n", (folder / name).string(),
               file.is_open() ? "differs" : "is missing");
    ++different;
  }
  return different;
}

int run(const std::map<std::string, std::string>& options) {
  const auto value = [&](const char* name, const char* fallback = "") {
    const auto found = options.find(name);
    return found == options.end() ? std::string(fallback) : found->second;
  };
  const pocket::World world;
  if (options.count("--check") != 0) {
    const fs::path root = value("--root", "examples/pocket");
    const int different =
        differences(root / "data", pocket::data_files(world)) +
        differences(root / "model", pocket::model_files(pocket::pocket_bpe(world)));
    fmt::print("{}\n", different == 0 ? "pocket files are what the generator writes"
                                      : "pocket files differ; hint: write them again");
    return different == 0 ? 0 : 1;
  }
  if (const auto folder = value("--data"); !folder.empty())
    for (const auto& [name, content] : pocket::data_files(world))
      write(fs::path(folder) / name, content);
  if (const auto folder = value("--model"); !folder.empty())
    for (const auto& [name, content] : pocket::model_files(pocket::pocket_bpe(world)))
      write(fs::path(folder) / name, content);
  if (const auto folder = value("--sums"); !folder.empty())
    for (const auto& [name, content] : pocket::sum_files()) write(fs::path(folder) / name, content);
  if (const auto path = value("--corpus"); !path.empty()) {
    const auto text = value("--documents", "100000");
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != text.npos)
      posttrain::raise("expected --documents as a number of at most 9 digits, got '{}'", text);
    std::string lines;
    const auto count = std::stoul(text);
    for (std::size_t i = 0; i < count; ++i)
      lines += pocket::document_line(pocket::document(world, i));
    write(path, lines);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::map<std::string, std::string> options;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      static constexpr std::string_view kValued =
          " --root --data --model --sums --corpus --documents ";
      if (name == "--check")
        options[name] = "1";
      else if (kValued.find(" " + name + " ") != std::string_view::npos && i + 1 < argc)
        options[name] = argv[++i];
      else
        posttrain::raise(
            "expected --check, --root, --data, --model, --sums, --corpus or --documents with "
            "its value, got '{}'",
            name);
    }
    if (options.empty()) posttrain::fail("nothing to do; hint: --check, or --data DIR --model DIR");
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
