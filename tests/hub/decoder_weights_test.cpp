// SPDX-License-Identifier: Apache-2.0
#include "posttrain/hub/decoder_weights.hpp"

#include <memory>

#include "posttrain/storage/bitsandbytes.hpp"
#include "support/catch.hpp"
#include "support/folders.hpp"
#include "support/kernels.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::test;
using posttrain::Nf4;
using posttrain::Tensor;
using posttrain::io::Checkpoint;
using posttrain::models::check_all_loaded;
using posttrain::models::check_tied_head;
using posttrain::models::DecoderConfig;
using posttrain::models::packed_loader;
using posttrain::models::stored_name;
using posttrain::models::weight_loader;
using posttrain::models::with_reward_head;

namespace {

std::shared_ptr<Checkpoint> folder_of(const TempFolder& scratch, const NamedTensors& tensors) {
  save_folder(scratch / "model", {.config_json = "{}"}, tensors);
  return std::make_shared<Checkpoint>(scratch / "model");
}

}  // namespace

TEST_CASE("GPT-2's weights are found with and without their prefix") {
  const TempFolder scratch;
  const auto folder = folder_of(
      scratch, {{"wte.weight", at::ones({2, 3})}, {"transformer.wpe.weight", at::zeros({2, 3})}});
  CHECK(stored_name(*folder, "transformer.wte.weight") == "wte.weight");
  CHECK(stored_name(*folder, "transformer.wpe.weight") == "transformer.wpe.weight");
  CHECK(stored_name(*folder, "transformer.absent.weight") == "transformer.absent.weight");
  const auto load = weight_loader(folder);
  CHECK(at::equal(load("transformer.wte.weight", {2, 3}), at::ones({2, 3})));
  CHECK(contains(error_of([&] {
                   load("transformer.wpe.weight", {3, 2});
                 }),
                 "expected shape [3, 2], found [2, 3]"));
}

TEST_CASE("tied matrices are found under either name, and must be one") {
  const TempFolder scratch;
  const auto flat = folder_of(
      scratch, {{"embed_tokens.weight", at::ones({2, 3})}, {"norm.weight", at::ones({3})}});
  CHECK(stored_name(*flat, "model.embed_tokens.weight") == "embed_tokens.weight");
  const auto head = folder_of(scratch, {{"lm_head.weight", at::ones({2, 3})}});
  CHECK(stored_name(*head, "model.embed_tokens.weight") == "model.embed_tokens.weight");
  CHECK(at::equal(weight_loader(head, /*tied=*/true)("model.embed_tokens.weight", {2, 3}),
                  at::ones({2, 3})));
  DecoderConfig config;
  config.tied = true;
  const auto both = [&](double value) {
    return folder_of(scratch, {{"model.embed_tokens.weight", at::ones({2, 3})},
                               {"lm_head.weight", at::full({2, 3}, value)}});
  };
  CHECK_NOTHROW(check_tied_head(*both(1.0), config));
  CHECK(contains(error_of([&] { check_tied_head(*both(2.0), config); }),
                 "lm_head.weight and model.embed_tokens.weight differ, and config.json ties them"));
  config.tied = false;
  CHECK_NOTHROW(check_tied_head(*both(2.0), config));
}

TEST_CASE("keys with the prefix of a wrapper are told with the command that helps") {
  const TempFolder scratch;
  const auto folder = folder_of(scratch, {{"_orig_mod.model.norm.weight", at::ones({3})}});
  CHECK(contains(error_of([&] { weight_loader(folder)("model.norm.weight", {3}); }),
                 "every key begins with '_orig_mod.': save the model that is wrapped"));
}

TEST_CASE("a matrix in 4 bits comes with its tensors, a dense one with none") {
  const TempFolder scratch;
  NamedTensors tensors{{"dense.weight", at::ones({2, 3})}};
  const auto matrix = Nf4{}.store(kernel_test::normal({4, 64}, 1, at::kFloat));
  for (const auto& tensor : posttrain::pack_nf4("w.weight", matrix, at::kFloat)) {
    tensors.emplace_back(tensor.name, tensor.value);
  }
  const auto folder = folder_of(scratch, tensors);
  const auto load = packed_loader(folder);
  CHECK(load("dense.weight").empty());
  const auto packed = load("w.weight");
  CHECK(packed.size() == 6);
  const Tensor a = at::empty({4, 64}), b = at::empty({4, 64});
  matrix.write(a);
  posttrain::unpack_nf4("w.weight", packed, at::kCPU).write(b);
  CHECK(at::equal(a, b));
  CHECK(folder->unused() == std::vector<std::string>{"dense.weight"});
}

TEST_CASE("buffers of older checkpoints and a spare head may stay, other tensors not") {
  const TempFolder scratch;
  const Tensor one = at::ones({1});
  const auto folder = folder_of(scratch, {{"model.layers.0.self_attn.rotary_emb.inv_freq", one},
                                          {"h.0.attn.bias", one},
                                          {"h.0.attn.masked_bias", one},
                                          {"lm_head.weight", one}});
  DecoderConfig config;
  config.tied = true;
  CHECK_NOTHROW(check_all_loaded(*folder, config));
  config.tied = false;
  CHECK_NOTHROW(check_all_loaded(*folder, with_reward_head(config)));
  CHECK(contains(error_of([&] { check_all_loaded(*folder, config); }),
                 "1 unexpected key: lm_head.weight"));
}
