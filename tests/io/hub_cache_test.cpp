// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/hub_cache.hpp"

#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;
using io::find_model;
using io::hub_cache;

namespace {

constexpr const char* kHash = "0123456789abcdef0123456789abcdef01234567";

/// A scratch folder as cache, with one model in it.
struct Cache {
  TempFolder scratch{};
  EnvironmentVariables environment{
      EnvironmentVariables::Variables{{"HF_HUB_CACHE", scratch.path().string()}}};

  explicit Cache(const std::string& folder, const std::string& ref = kHash) {
    std::filesystem::create_directories(scratch / folder / "refs");
    std::filesystem::create_directories(scratch / folder / "snapshots" / kHash);
    std::filesystem::create_directories(scratch / folder / "trees");
    scratch.write(folder + "/refs/main", ref);
    scratch.write(folder + "/snapshots/" + kHash + "/config.json", "{}");
  }
};

}  // namespace

TEST_CASE("names of the Hub are told from paths") {
  for (const char* name : {"org/name", "gpt2", "Org-1/na.me_2", "_a/b_", "1/2"}) {
    INFO(name);
    CHECK(io::is_hub_name(name));
  }
  for (const std::string name : {"", "/", "a/", "/b", "a/b/c", "./a", "../a", "a--b/c", "a..b",
                                 "-a/b", "a/b.", "a b/c", "ä/b", "a/b.git", "~/a"}) {
    INFO(name);
    CHECK_FALSE(io::is_hub_name(name));
  }
  CHECK(io::is_hub_name(std::string(96, 'a') + "/" + std::string(96, 'b')));
  CHECK_FALSE(io::is_hub_name("a/" + std::string(97, 'b')));
}

TEST_CASE("the cache is where the variables say, in their order") {
  EnvironmentVariables::Variables variables{{"HOME", "/my"}};
  const auto cache = [&](const char* name, const char* value) {
    variables[name] = value;
    return hub_cache(EnvironmentVariables(variables)).string();
  };
  CHECK(cache("HOME", "/my") == "/my/.cache/huggingface/hub");
  CHECK(cache("XDG_CACHE_HOME", "/caches") == "/caches/huggingface/hub");
  CHECK(cache("HF_HOME", "~/hf") == "/my/hf/hub");
  CHECK(cache("HF_HOME", "$X/hf") == "$X/hf/hub");
  CHECK(cache("X", "/x") == "/x/hf/hub");
  CHECK(cache("HF_HOME", "${X}y$") == "/xy$/hub");
  CHECK(cache("HF_HOME", "${X") == "${X/hub");
  CHECK(cache("HUGGINGFACE_HUB_CACHE", "/old") == "/old");
  CHECK(cache("HF_HUB_CACHE", "/new") == "/new");
  CHECK(cache("HF_HUB_CACHE", "") == "/old");  // as good as not set
}

TEST_CASE("a name is the snapshot of its branch main") {
  const Cache cache("models--org--name"), single("models--gpt2");
  CHECK(find_model("org/name", cache.environment) ==
        cache.scratch / "models--org--name/snapshots" / kHash);
  CHECK(find_model("gpt2", single.environment) ==
        single.scratch / "models--gpt2/snapshots" / kHash);
  // What is no name, or is there, is no matter of the cache.
  const TempFolder folder;
  CHECK(find_model(folder.path(), cache.environment) == folder.path());
  CHECK(find_model("gpt2", cache.environment) == "gpt2");
  CHECK(find_model("./org/name", cache.environment) == "./org/name");
  CHECK(find_model("a/b/c.gguf", cache.environment) == "a/b/c.gguf");
}

TEST_CASE("a folder that is there goes before a name of the cache") {
  const Cache cache("models--org--name");
  const TempFolder scratch;
  std::filesystem::create_directories(scratch / "org/name");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(scratch.path());
  const io::fs::path found = find_model("org/name", cache.environment);
  std::filesystem::current_path(before);
  CHECK(found == "org/name");
}

TEST_CASE("a name that is not in the cache is an error with the command that fetches it") {
  const Cache cache("models--org--name", "0000000000000000000000000000000000000000");
  const auto error = [&](const char* name, const Cache& in) {
    return error_of([&] { find_model(name, in.environment); });
  };
  const std::string place = cache.scratch.path().string();
  CHECK(error("org/other", cache) == "org/other: no such folder, and no such model in the cache " +
                                         place + "; hint: hf download org/other");
  CHECK(error("org/name", cache) ==
        "org/name: no such folder, and no snapshot of its main in the "
        "cache " +
            place + "; hint: hf download org/name");
  std::filesystem::remove(cache.scratch / "models--org--name/refs/main");
  CHECK(contains(error("org/name", cache), "no snapshot of its main"));
  CHECK(contains(error("org/name", Cache("models--org--name", "")), "no snapshot of its main"));
}

TEST_CASE("a snapshot that lacks a file of the client's listing is refused") {
  const Cache cache("models--org--name");
  const auto with = [&](const std::string& listing) {
    cache.scratch.write(std::string("models--org--name/trees/") + kHash + ".json", listing);
    return error_of([&] { find_model("org/name", cache.environment); });
  };
  CHECK(with(R"({"format_version": 1, "files": {"config.json": {}}})") == "");
  CHECK(
      with(R"({"format_version": 1, "files": {"config.json": {}, "tokenizer.json": {},
                 "additional_chat_templates/rag.jinja": {}}})") ==
      "org/name: its download is incomplete, " +
          (cache.scratch / "models--org--name/snapshots" / kHash).string() +
          " lacks tokenizer.json, additional_chat_templates/rag.jinja; hint: hf download org/name");
  // Of weights the reader itself says what is missing; of other files nothing is read.
  CHECK(with(R"({"format_version": 1, "files": {"model.safetensors": {}, "README.md": {}}})") ==
        "");
  CHECK(with(R"({"format_version": 2, "files": {"tokenizer.json": {}}})") == "");
  CHECK(with(R"({"format_version": 1, "files": ["tokenizer.json"]})") == "");
  CHECK(with(R"({"format_version": )") == "");
}

TEST_CASE("the name of a model is read off its snapshot's folder") {
  CHECK(io::hub_name_of("/c/hub/models--org--name/snapshots/0123") == "org/name");
  CHECK(io::hub_name_of("/c/hub/models--org--name/snapshots/0123/") == "org/name");
  CHECK(io::hub_name_of("models--gpt2/snapshots/0123") == "gpt2");
  for (const char* other :
       {"/c/hub/models--org--name/snapshots", "/c/hub/models--org--name", "/c/models--/snapshots/1",
        "/c/datasets--org--name/snapshots/1", "/c/models--a--b--c/snapshots/1", "/", "", "name"}) {
    INFO(other);
    CHECK(io::hub_name_of(other).empty());
  }
}
