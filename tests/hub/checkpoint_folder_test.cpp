// SPDX-License-Identifier: Apache-2.0
#include "posttrain/hub/checkpoint_folder.hpp"

#include "posttrain/hub/save_pretrained.hpp"
#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"

using posttrain::Tensor;
using posttrain::io::Dtype;
using posttrain::io::PretrainedContent;
using posttrain::io::PretrainedFolder;
using posttrain::io::save_pretrained;
using posttrain::io::tensor_info;
using posttrain::io::TensorInfo;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

using Named = std::vector<std::pair<std::string, Tensor>>;

void save(const std::filesystem::path& dir, const PretrainedContent& content,
          const Named& tensors) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) infos.push_back(tensor_info(name, tensor));
  save_pretrained(dir, content, infos, [&](const TensorInfo& info) {
    for (const auto& [name, tensor] : tensors) {
      if (name == info.name) return tensor;
    }
    return Tensor();
  });
}

Named some_tensors() {
  return {{"b.weight", at::arange(6, at::kFloat).reshape({2, 3})},
          {"a.weight", at::arange(4, at::kFloat).reshape({2, 2}).t()},  // not contiguous
          {"c.weight", at::arange(3, at::kFloat).to(at::kBFloat16)}};
}

bool same(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.contiguous().const_data_ptr(), b.contiguous().const_data_ptr(),
                     a.nbytes()) == 0;
}

}  // namespace

TEST_CASE("every element type goes through a file unchanged") {
  const TempFolder scratch;
  const Named tensors{{"bool", at::arange(2, at::kLong).to(at::kBool)},
                      {"scalar", at::full({}, 2.5, at::kDouble)},
                      {"empty", at::empty({0, 3}, at::kHalf)},
                      {"long", at::arange(5, at::kLong)},
                      {"int", at::arange(5, at::kInt)},
                      {"short", at::arange(5, at::kShort)},
                      {"char", at::arange(5, at::kChar)},
                      {"byte", at::arange(5, at::kByte)},
                      {"half", at::arange(5, at::kFloat).to(at::kHalf)},
                      {"bf16", at::arange(5, at::kFloat).to(at::kBFloat16)},
                      {"e4m3", at::arange(5, at::kFloat).to(at::kFloat8_e4m3fn)},
                      {"e5m2", at::arange(5, at::kFloat).to(at::kFloat8_e5m2)}};
  posttrain::io::save_tensors(scratch / "x.safetensors", tensors);
  const auto loaded = posttrain::io::load_tensors(scratch / "x.safetensors");
  REQUIRE(loaded.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    CHECK(same(loaded.at(name), tensor));
  }
}

TEST_CASE("a saved folder comes back, whole or in shards, with its other files") {
  const TempFolder scratch;
  std::filesystem::create_directory(scratch / "base");
  scratch.write("base/tokenizer.json", "{\"t\":1}");
  scratch.write("base/chat_template.jinja", "{{ x }}");
  scratch.write("base/notes.txt", "not copied");
  for (const std::uint64_t max_shard_bytes : {std::uint64_t{5'000'000'000}, std::uint64_t{24}}) {
    const PretrainedContent content{.config_json = "{\"model_type\": \"llama\"}",
                                    .generation_config_json = "{\"eos_token_id\": [1, 2]}",
                                    .tokenizer_from = scratch / "base",
                                    .texts = {{"chat_template.jinja", "{{ y }}"}},
                                    .max_shard_bytes = max_shard_bytes};
    save(scratch / "out", content, some_tensors());  // the second time replaces the first
    PretrainedFolder folder(scratch / "out");
    CHECK(folder.config_text() == content.config_json);
    CHECK(folder.read_text("tokenizer.json") == "{\"t\":1}");
    CHECK(folder.read_text("chat_template.jinja") == "{{ y }}");
    CHECK(folder.read_text("generation_config.json") == content.generation_config_json);
    CHECK_FALSE(folder.read_text("notes.txt").has_value());
    CHECK(folder.read_text("model.safetensors.index.json").has_value() == (max_shard_bytes == 24));
    CHECK(std::filesystem::exists(scratch / "out/model-00002-of-00002.safetensors") ==
          (max_shard_bytes == 24));
    CHECK(folder.names() == std::vector<std::string>{"a.weight", "b.weight", "c.weight"});
    for (const auto& [name, tensor] : some_tensors()) {
      CHECK(same(folder.load(name, tensor.sizes().vec()), tensor));
    }
    folder.check_all_used();
  }
}

TEST_CASE("a folder can be saved over the one its tensors come from") {
  const TempFolder scratch;
  save(scratch / "out", {.config_json = "{}"}, some_tensors());
  PretrainedFolder folder(scratch / "out");
  std::vector<TensorInfo> infos;
  for (const std::string& name : folder.names()) {
    infos.push_back({name, Dtype::kF32, folder.shape(name)});  // converted on the way
  }
  save_pretrained(scratch / "out", {.config_json = "{\"new\": 1}"}, infos,
                  [&](const TensorInfo& info) { return folder.load(info.name); });
  PretrainedFolder again(scratch / "out");
  CHECK(again.config_text() == "{\"new\": 1}");
  CHECK(again.dtype("c.weight") == Dtype::kF32);
  CHECK(same(again.load("a.weight"), folder.load("a.weight")));
}

TEST_CASE("missing, mis-shaped and unexpected keys are errors that name them [C23]", "[C23]") {
  const TempFolder scratch;
  save(scratch / "out", {.config_json = "{}"}, some_tensors());
  PretrainedFolder folder(scratch / "out");
  CHECK(contains(error_of([&] { folder.load("lm_head.weight"); }),
                 "missing key 'lm_head.weight' (the folder has 3 keys, the first is 'a.weight')"));
  const std::vector<std::int64_t> wrong{3, 2};
  const std::string error = error_of([&] { folder.load("b.weight", wrong); });
  CHECK(contains(error, "model.safetensors: key 'b.weight': expected shape [3, 2], found [2, 3]"));
  folder.load("a.weight");
  CHECK(contains(error_of([&] { folder.check_all_used(); }),
                 "2 unexpected keys: b.weight, c.weight"));
  const auto ignore = [](std::string_view name) { return name == "b.weight"; };
  CHECK(contains(error_of([&] { folder.check_all_used(ignore); }), "1 unexpected key: c.weight"));
  folder.mark_used("c.weight");
  folder.check_all_used(ignore);
}

TEST_CASE("saving refuses a folder with other files and leaves all as it was when it fails") {
  const TempFolder scratch;
  save(scratch / "out", {.config_json = "{}"}, some_tensors());
  const auto failing = [&](const TensorInfo&) { return at::zeros({7}); };
  CHECK(contains(error_of([&] {
                   save_pretrained(scratch / "out", {.config_json = "{\"new\": 1}"},
                                   {{"a", Dtype::kF32, {3}}}, failing);
                 }),
                 "tensor 'a': expected shape [3] to write, got [7]"));
  CHECK(slurp(scratch / "out/config.json") == "{}");
  scratch.write("out/thesis.tex", "years of work");
  CHECK(contains(error_of([&] { save(scratch / "out", {.config_json = "{}"}, {}); }),
                 "'thesis.tex'"));
}

TEST_CASE("a real checkpoint opens") {
  POSTTRAIN_SHARED_OR_SKIP(path, "data/models/stories260K");
  PretrainedFolder folder(path);
  CHECK(contains(folder.config_text(), "\"llama\""));
  CHECK(folder.read_text("tokenizer.json").has_value());
  for (const std::string& name : folder.names()) {
    CHECK(folder.load(name).sizes() == at::IntArrayRef(folder.shape(name)));
  }
  folder.check_all_used();
}
