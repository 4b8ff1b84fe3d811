// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/token_rows.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/base/describe.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/lora/set.hpp"
#include "posttrain/params/qlora.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/kernels.hpp"
#include "support/lora.hpp"
#include "support/messages.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;
using kernel_test::normal;

namespace {

TokenRows rows_of(const Tensor& w, std::vector<std::int64_t> ids) {
  TokenRows rows{.module = "table", .table = 0, .site = 0, .ids = std::move(ids)};
  const Tensor values =
      at::zeros({static_cast<std::int64_t>(rows.ids.size()), w.size(1)}, w.options());
  rows.rows = {values, values, at::zeros_like(values)};
  rows.initialise(w);
  return rows;
}

/// What a state trains besides its adapters.
std::vector<NamedTensor> rows_among(const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> all;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name.ends_with(posttrain::detail::kTokenRows)) all.push_back(tensor);
  }
  return all;
}

}  // namespace

TEST_CASE("rows of tokens replace those of their matrix in lookups and logits", "[params][lora]") {
  const Tensor w = normal({9, 5}, 1), ids = at::tensor({3, 0, 3, 7}, at::kLong);
  TokenRows rows = rows_of(w, {7, 3});
  const Tensor anchor = at::zeros({}, at::kDouble).requires_grad_();
  CHECK(at::equal(rows.rows.master, w.index_select(0, rows.index)));
  CHECK(at::equal(rows.merged(w), w));
  Tensor masters = rows.rows.master;
  masters.copy_(normal({2, 5}, 2));
  const Tensor merged = rows.merged(w);
  CHECK(at::equal(merged[7], masters[0]));
  CHECK(at::equal(merged[3], masters[1]));
  CHECK(at::equal(merged[0], w[0]));

  const Tensor y = rows.embed(w.index_select(0, ids), ids, anchor);
  CHECK(at::equal(y.detach(), merged.index_select(0, ids)));
  const Tensor dy = normal({4, 5}, 3);
  y.backward(dy);
  CHECK(relative_error(rows.rows.grad, at::stack({dy[3], dy[0] + dy[2]})) < 1e-15);

  const Tensor x = normal({6, 5}, 4).requires_grad_(), dz = normal({6, 9}, 5);
  Tensor grad = rows.rows.grad;
  grad.zero_();
  const Tensor z = rows.linear(x.matmul(w.t()), x, anchor);
  CHECK(relative_error(z.detach(), x.detach().matmul(merged.t())) < 1e-14);
  z.backward(dz);
  CHECK(relative_error(x.grad(), dz.matmul(merged)) < 1e-14);
  CHECK(relative_error(grad, dz.t().matmul(x.detach()).index_select(0, rows.index)) < 1e-14);

  // A padding row has its values, and no gradient from lookups.
  rows.padding_row = 3;
  grad.zero_();
  const Tensor padded = rows.embed(w.index_select(0, ids), ids, anchor);
  CHECK(at::equal(padded.detach(), merged.index_select(0, ids)));
  padded.backward(dy);
  CHECK(relative_error(grad, at::stack({dy[3], at::zeros_like(dy[3])})) < 1e-15);
}

TEST_CASE("a tied head takes part in its embedding's trained rows unless it has its own",
          "[params][lora][C5][C23]") {
  const models::Decoder model = tiny_model();
  const std::string table = "model.embed_tokens", head = "lm_head";
  struct Case {
    const char* indices;
    std::vector<std::string> trained;
    bool tied;
    const char* saved;
  };
  const std::vector<Case> cases{
      {"3-5, 20", {table}, true, "[3,4,5,20]"},
      {"20, lm_head=20", {table}, true, "[20]"},
      {"embed_tokens=4", {table}, true, "[4]"},
      {"lm_head = 7-8", {head}, false, R"({"lm_head":[7,8]})"},
      {"3, 4, lm_head=4", {table, head}, false, R"({"embed_tokens":[3,4],"lm_head":[4]})"}};
  for (const Case& c : cases) {
    INFO(c.indices);
    auto state =
        Lora{.rank = 2, .target_modules = "q_proj", .trainable_token_indices = c.indices}.attach(
            model);
    const Tensor start = logits_of(state.reference());
    CHECK(at::equal(logits_of(state), start));
    std::vector<std::string> trained;
    for (const NamedTensor& rows : rows_among(state.gradients())) {
      trained.push_back(
          rows.name.substr(0, rows.name.size() - posttrain::detail::kTokenRows.size()));
    }
    CHECK(trained == c.trained);
    disturb(state);
    check_gradients(model, state);
    CHECK(at::equal(logits_of(state.reference()), start));
    const models::Decoder alone = merged(state);
    CHECK(alone.config().tied == c.tied);
    CHECK(relative_error(logits_of(Full{}.attach(alone), alone), logits_of(state)) < 1e-12);

    const TempFolder scratch;
    const std::string folder = (scratch / "adapter").string();
    save(state, folder, "the/base");
    const Json config = io::parse_json(io::read_text_file(scratch / "adapter/adapter_config.json"),
                                       "adapter_config.json");
    CHECK(config.at("trainable_token_indices") == Json::parse(c.saved));
    const auto again = From<Lora>{.folder = folder}.attach(model);
    CHECK(relative_error(logits_of(again), logits_of(state)) < 1e-13);
  }
}

TEST_CASE("only the rows of new tokens train, on a base in 4 bits, too", "[params][lora]") {
  const models::Decoder model = tiny_model(at::kFloat);
  // [snippet: tokens]
  // The base has been given tokens 40 to 42; beside the adapters their rows train alone.
  const QLora policy{.rank = 4, .trainable_token_indices = "40-42"};
  auto state = policy.attach(model);
  // [/snippet]
  const std::vector<NamedTensor> rows = rows_among(state.tensors());
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].value.sizes() == at::IntArrayRef{3, 16});
  const Tensor before = state.base().weight("model.embed_tokens.weight").clone();
  disturb(state);
  CHECK(at::equal(state.base().weight("model.embed_tokens.weight"), before));
  for (const NamedTensor& weight : state.weights()) {
    if (weight.name != "model.embed_tokens.weight") continue;
    const Tensor moved = weight.value.ne(before).any(1).nonzero().flatten();
    CHECK(at::equal(moved.to(at::kCPU), at::tensor({40, 41, 42}, at::kLong)));
  }
}

TEST_CASE("indices of tokens that say nothing, or too much, are errors", "[params][lora][C23]") {
  const models::Decoder model = tiny_model();
  const auto error = [&](const char* indices, const char* targets = "q_proj",
                         const char* saved = "", bool tying = false) {
    return error_of([&] {
      Lora{.target_modules = targets,
           .modules_to_save = saved,
           .ensure_weight_tying = tying,
           .trainable_token_indices = indices}
          .attach(model);
    });
  };
  const std::string option = "Lora.trainable_token_indices ";
  CHECK(error("3, 7-9,") == "");
  CHECK(error("3,x") == option + "expected ids such as \"3, 7-9, lm_head=5\", got \"3,x\"");
  CHECK(error("-1") == option + "expected ids such as \"3, 7-9, lm_head=5\", got \"-1\"");
  CHECK(error("9-7") == option + "expected a range that does not fall, got \"9-7\"");
  CHECK(error("0-999999999999999") ==
        option + "expected ids below 50 of model.embed_tokens, got 999999999999999");
  CHECK(error("3, 2-4") == option + "expected each id of model.embed_tokens once, got 3 twice");
  CHECK(error("lm_haed=3") == option +
                                  "\"lm_haed\" selects nothing among embeddings and LM head; hint: "
                                  "\"lm_head\" would");
  CHECK(error("3", "embed_tokens") ==
        option +
            "expected no other training of model.embed_tokens, which target_modules selects, too; "
            "hint: name it in one of them");
  CHECK_THAT(error("3", "lm_head"), Catch::Contains("which target_modules selects, too"));
  CHECK_THAT(error("3", "q_proj", "embed_tokens"),
             Catch::Contains("which modules_to_save selects, too"));
  CHECK(error("3, lm_head=4", "q_proj", "", true) ==
        "Lora.ensure_weight_tying expected equal trainable_token_indices of model.embed_tokens and "
        "lm_head");
  AdapterSet<Dense> set(model);
  set.add("new", {.rank = 2, .trainable_token_indices = "3"});
  CHECK_THROWS_WITH(set.combine("sum", {{"new", 1.0}}),
                    "AdapterSet::combine expected adapters without trainable tokens, got \"new\"");
}

TEST_CASE("token indices of a folder and its rows belong together", "[params][lora][C23]") {
  const TempFolder scratch;
  const std::string folder = (scratch / "adapter").string();
  const models::Decoder model = tiny_model();
  save(Lora{.rank = 2, .target_modules = "q_proj", .trainable_token_indices = "3, 4"}.attach(model),
       folder);
  const auto path = scratch / "adapter/adapter_config.json";
  const std::string weights = (scratch / "adapter/adapter_model.safetensors").string();
  const Json good = io::parse_json(io::read_text_file(path), "config");
  const auto error = [&](const Json& indices) {
    Json config = good;
    config["trainable_token_indices"] = indices;
    io::write_file_atomically(path, config.dump());
    return error_of([&] { From<Lora>{.folder = folder}.attach(model); });
  };
  const std::string key =
      "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta";
  CHECK(error({3, 4}) == "");
  CHECK(error({{"embed_tokens", {3, 4}}, {"lm_head", {3, 4}}}) == "");
  CHECK(error(nullptr) == weights + ": unexpected key '" + key + "': " + path.string() +
                              " has no trainable_token_indices of it");
  CHECK(error({3}) == weights + ": tensor '" + key +
                          "': expected a matrix of 1 rows, one for each of "
                          "trainable_token_indices, got shape [2, 16]");
  CHECK(error({{"embed_tokens", {3, 4}}, {"lm_head", {7}}}) ==
        weights + ": missing key '…lm_head.token_adapter.trainable_tokens_delta': " +
            path.string() + " has trainable_token_indices of it");
  CHECK_THAT(error({3, 77}),
             Catch::Contains("expected ids below 50 of model.embed_tokens, got 77"));
  CHECK_THAT(error("3"), Catch::Contains("expected trainable_token_indices"));
  CHECK_THAT(error({3, -4}), Catch::Contains("expected trainable_token_indices"));
}
