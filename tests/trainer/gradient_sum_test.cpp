// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/gradient_sum.hpp"

#include <algorithm>
#include <utility>

#include "posttrain/losses/next_token.hpp"
#include "posttrain/nn/model_call.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/rank_threads.hpp"
#include "support/small_run.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using Part = GradientSum::Part;

namespace {

void expect(bool so, const char* what) {
  if (!so) fail(what);
}

ParameterGroup group_of(std::int64_t size, at::ScalarType type = at::kFloat) {
  ParameterGroup group;
  group.grad = at::zeros({size}, type);
  return group;
}

NamedTensor part(const char* name, const ParameterGroup& group, std::int64_t begin,
                 std::int64_t size) {
  return {name, group.grad.narrow(0, begin, size)};
}

/// As lines that say where they differ.
std::vector<std::string> texts(const std::vector<Part>& parts) {
  std::vector<std::string> all;
  for (const Part& each : parts) {
    all.push_back(
        fmt::format("{}: {} to {}, layer {}", each.group, each.begin, each.end, each.layer));
  }
  return all;
}

/// Passes operations on to others, and looks at a buffer when each begins.
class Watching final : public Communicator {
 public:
  explicit Watching(std::shared_ptr<Communicator> inner)
      : Communicator(inner->place()), inner_(std::move(inner)) {}

  std::function<void(const Tensor&)> look{};

 private:
  Pending begin_all_reduce(const Tensor& tensor, Reduction reduction) override {
    if (look) look(tensor);
    return inner_->all_reduce(tensor, reduction);
  }
  Pending begin_reduce_scatter(const Tensor& own, const Tensor& whole) override {
    return inner_->reduce_scatter(own, whole);
  }
  Pending begin_all_gather(const Tensor& whole, const Tensor& own) override {
    return inner_->all_gather(whole, own);
  }
  Pending begin_broadcast(const Tensor& tensor, std::int64_t from) override {
    return inner_->broadcast(tensor, from);
  }

  std::shared_ptr<Communicator> inner_;
};

}  // namespace

TEST_CASE("a name says its layer", "[gradient_sum]") {
  CHECK(layer_of("model.layers.12.mlp.up_proj.weight") == 12);
  CHECK(layer_of("transformer.h.0.attn.c_attn.weight") == 0);
  CHECK(layer_of("model.layers.3.mlp.down_proj.weight.osft.7") == 3);
  CHECK(layer_of("lm_head.weight") > 1'000'000);
  CHECK(layer_of("model.embed_tokens.weight") == -1);
  CHECK(layer_of("critic.model.layers.3.mlp.up_proj.weight") == -1);
  CHECK(layer_of("") == -1);
}

TEST_CASE("parts are pieces of one layer or of several, the last layers first", "[gradient_sum]") {
  const std::vector<ParameterGroup> groups{group_of(160), group_of(6, at::kDouble)};
  const std::vector<NamedTensor> gradients{
      part("embed", groups[0], 0, 32),      part("layers.0.a", groups[0], 32, 30),
      part("layers.0.b", groups[0], 64, 8), part("layers.1.a", groups[0], 80, 30),
      part("head", groups[0], 112, 48),     part("layers.1.c", groups[1], 0, 3),
      part("layers.0.c", groups[1], 3, 3)};
  // Padding goes with what stands behind it.
  CHECK(texts(GradientSum::parts_of(groups, gradients, {.bytes = 160})) == texts({{0, 72, 110, 1},
                                                                                  {0, 32, 72, 0},
                                                                                  {1, 0, 6, 0},
                                                                                  {0, 110, 150, -1},
                                                                                  {0, 150, 160, -1},
                                                                                  {0, 0, 32, -1}}));
  // With room for both, layers 0 and 1 are one part, ready with the earlier of them.
  CHECK(texts(GradientSum::parts_of(groups, gradients, {.bytes = 320})).front() ==
        texts({{0, 32, 110, 0}})[0]);
  // What no gradient names is ready at the end.
  CHECK(texts(GradientSum::parts_of(groups, {}, {.bytes = 1024})) ==
        texts({{0, 0, 160, -1}, {1, 0, 6, -1}}));
  // Elements that two layers share wait for the earlier one.
  const std::vector<ParameterGroup> shared{group_of(32)};
  const std::vector<NamedTensor> overlapping{part("layers.5.a", shared[0], 0, 32),
                                             part("layers.2.a", shared[0], 0, 16)};
  CHECK(texts(GradientSum::parts_of(shared, overlapping, {.bytes = 1024})) ==
        texts({{0, 0, 32, 2}}));
}

TEST_CASE("parts of even size reach beyond a group and wait for the earliest of their layers",
          "[gradient_sum]") {
  const std::vector<ParameterGroup> groups{group_of(150), group_of(6)};
  const std::vector<NamedTensor> gradients{
      part("embed", groups[0], 0, 32), part("layers.0.a", groups[0], 32, 48),
      part("layers.1.a", groups[0], 80, 40), part("layers.2.a", groups[0], 120, 30),
      part("layers.1.c", groups[1], 0, 6)};
  CHECK(texts(GradientSum::parts_of(groups, gradients, {.bytes = 160, .multiple = 20})) ==
        texts({{0, 120, 160, 2}, {0, 80, 120, 1}, {1, 0, 20, 1}, {0, 40, 80, 0}, {0, 0, 40, -1}}));
  // Never less than one multiple.
  CHECK(texts(GradientSum::parts_of(groups, gradients, {.bytes = 1, .multiple = 64})) ==
        texts({{0, 128, 192, 2}, {1, 0, 64, 1}, {0, 64, 128, 0}, {0, 0, 64, -1}}));
}

TEST_CASE("parts add up to the sums over ranks, whatever began early", "[gradient_sum]") {
  REQUIRE(has_gloo());
  const auto errors = test::on_gloo(3, [](const std::shared_ptr<Communicator>& ranks) {
    std::vector<ParameterGroup> groups{group_of(50), group_of(3, at::kDouble)};
    const std::vector<NamedTensor> gradients{part("layers.0", groups[0], 0, 20),
                                             part("layers.1", groups[0], 20, 30)};
    GradientSum sum(ranks, groups, gradients, {.bytes = 64});
    for (int step = 0; step < 2; ++step) {
      groups[0].grad.fill_(ranks->rank() + 1);
      groups[1].grad.fill_(ranks->rank() * 10);
      // A rank without a micro-batch begins everything at the end.
      const auto done = sum.layer_done();
      expect(static_cast<bool>(done), "layers are asked for");
      if (ranks->rank() != 1) done(1);
      sum.finish();
      expect(at::equal(groups[0].grad, at::full({50}, 6, at::kFloat)), "floats");
      expect(at::equal(groups[1].grad, at::full({3}, 30, at::kDouble)), "doubles");
    }
    GradientSum late(ranks, groups, gradients, {.bytes = 64, .overlap = false});
    expect(!late.layer_done(), "nothing is asked for without overlap");
    GradientSum without(ranks, groups, {}, {.bytes = 64});
    expect(!without.layer_done(), "nor where no layer is known");
  });
  CHECK(errors == std::vector<std::string>(3));
  CHECK_FALSE(GradientSum().layer_done());
}

TEST_CASE("of parts of even size each rank gets the sums of its piece", "[gradient_sum]") {
  REQUIRE(has_gloo());
  const auto errors = test::on_gloo(3, [](const std::shared_ptr<Communicator>& ranks) {
    const std::vector<ParameterGroup> groups{group_of(50)};
    const Tensor view = groups[0].grad.narrow(0, 3, 40);
    GradientSum sum(ranks, groups, {{"layers.0", view}}, {.bytes = 96, .multiple = 12});
    expect(sum.gradients()[0].numel() == 60, "room for the last part");
    groups[0].grad.copy_(at::arange(50) + ranks->rank());
    sum.finish();
    for (const Part& part : sum.parts()) {
      const std::int64_t size = (part.end - part.begin) / 3;
      const std::int64_t begin = part.begin + ranks->rank() * size;
      const Tensor expected = at::arange(begin, begin + size).to(at::kFloat) * 3 + 3;
      const Tensor own = sum.gradients()[0].narrow(0, begin, size);
      const std::int64_t inside = std::clamp<std::int64_t>(50 - begin, 0, size);
      expect(at::equal(own.narrow(0, 0, inside), expected.narrow(0, 0, inside)), "sums");
      expect(own.narrow(0, inside, size - inside).eq(0).all().item<bool>(), "zeros behind the end");
    }
    expect(view.data_ptr() == groups[0].grad.narrow(0, 3, 40).data_ptr(), "views keep their place");
  });
  CHECK(errors == std::vector<std::string>(3));
}

TEST_CASE("the last layer's gradients are under way before the first layer has its own",
          "[gradient_sum]") {
  REQUIRE(has_gloo());
  if (test::test_device().text() != "cpu") return;  // ranks work on the CPU only
  const bool checkpointing = GENERATE(false, true);
  const bool overlap = GENERATE(false, true);
  CAPTURE(checkpointing, overlap);
  std::vector<std::vector<int>> early(2);
  const auto errors = test::on_gloo(2, [&](const std::shared_ptr<Communicator>& inner) {
    const auto ranks = std::make_shared<Watching>(inner);
    Options options = test::small_run(3, 4, 16);
    options.gradient_checkpointing = checkpointing;
    options.stop_on_signal = false;
    std::vector<Sequence> items;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) items.push_back(test::some_sequence(7, seed));
    Trainer trainer(test::tiny_model(at::kFloat), NextToken{}, Full{},
                    test::FixedItems<SequenceKind>{items, {}}, AdamW{}, options,
                    Ranks{.overlap = overlap, .bucket = 2000, .over = ranks});
    Tensor first_layer;
    for (const NamedTensor& gradient : trainer.state().gradients()) {
      if (gradient.name == "model.layers.0.mlp.up_proj.weight") first_layer = gradient.value;
    }
    expect(first_layer.defined(), "the first layer's matrix");
    // How many parts had begun while the first layer had no gradient yet.
    int begun = 0;
    const void* whole = trainer.state().trainable()[0].grad.storage().data();
    ranks->look = [&](const Tensor& tensor) {
      if (tensor.storage().data() == whole && first_layer.eq(0).all().item<bool>()) ++begun;
    };
    trainer.train();
    early[static_cast<std::size_t>(inner->rank())].push_back(begun);
  });
  CHECK(errors == std::vector<std::string>(2));
  for (const std::vector<int>& begun : early) {
    REQUIRE(begun.size() == 1);
    // In each of three steps at least the last layer.
    CHECK((overlap ? begun[0] >= 3 : begun[0] == 0));
  }
}
