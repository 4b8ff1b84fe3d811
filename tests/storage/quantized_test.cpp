// SPDX-License-Identifier: Apache-2.0
// Models whose frozen matrices are stored quantised; the storages alone have tests of their own.
#include <map>

#include "posttrain/params/full.hpp"
#include "posttrain/params/weights/site_weights.hpp"
#include "posttrain/storage/bitsandbytes.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/storage.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::round_trip;

namespace {

/// A fused site with biases, a transposed square part, a head, a norm.
struct SmallModel {
  at::ScalarType type = at::kFloat;

  Layout layout() const {
    Layout all;
    all.tables = {{"embed.weight", 6, 64}};
    all.sites = {{{{"q", 96, false}, {"k", 32, false}}, 64, true},
                 {{{"conv", 64, true}}, 64, true},
                 {{{"lm_head", 6, false}}, 64, false, -1, true}};
    all.vectors = {{"norm.weight", 64, 1.0}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const {
    if (!random) return at::full(shape, initial, at::kFloat);
    return normal(shape, name.size() + 10, at::kFloat);
  }
};

/// The small model with every stored matrix replaced by what its storage makes of it.
template <class Storage>
struct Rounded : SmallModel {
  Storage storage{};
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const {
    Tensor w = SmallModel::load(name, shape, initial, random);
    if (name != "q.weight" && name != "k.weight" && name != "conv.weight") return w;
    const bool transposed = name == "conv.weight";
    if (transposed) w = w.t();
    Tensor dense = at::empty(w.sizes(), type);
    storage.store(w).write(dense);
    return transposed ? dense.t().contiguous() : dense;
  }
};

Tensor named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return tensor.value;
  }
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEMPLATE_TEST_CASE("a model on quantised storage is the model of the rounded matrices", "[params]",
                   Nf4, Int8, Gguf) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    Rounded<TestType> rounded;
    rounded.type = type;
    const SmallModel model{type};
    const auto train = BasicFull<TestType>{.train = "norm, embed"}.attach(model);
    const FullState dense = Full{.train = "norm, embed"}.attach(rounded);
    CHECK(at::equal(named(train.weights(), "conv.weight"), named(dense.weights(), "conv.weight")));
    CHECK(at::equal(train.part(0, 1).to(type), dense.part(0, 1).to(type)));

    const Tensor ids = at::tensor({1, 5, 2, 3, 3}, at::kLong);
    const auto run = [&](const auto& state, int site) {
      const Tensor x = state.embed(0, ids) * state.vector(0);
      const Tensor y = state.linear(site, x);
      (y * normal(y.sizes(), 3, type)).sum().backward();
      return y.detach();
    };
    for (const int site : {0, 1, 2}) {
      INFO("site " << site);
      CHECK(at::equal(run(train, site), run(dense, site)));
    }
    for (const char* name : {"embed.weight", "norm.weight"}) {
      const Tensor gradient = named(train.gradients(), name);
      CHECK(gradient.abs().max().item<double>() > 0.0);
      CHECK(at::equal(gradient, named(dense.gradients(), name)));
    }
  }
}

TEMPLATE_TEST_CASE("beside quantised rows of a fused site others train", "[params]", Nf4, Int8,
                   Gguf) {
  const auto state = BasicFull<TestType>{.train = "k"}.attach(SmallModel{});
  const Tensor x = normal({3, 64}, 1, at::kFloat), dy = normal({3, 128}, 2, at::kFloat);
  const Tensor q = named(state.weights(), "q.weight"), k = named(state.weights(), "k.weight");
  const Tensor y = state.linear(0, x);
  CHECK(relative_error(y.detach(), x.matmul(at::cat({q, k}).t())) < 1e-6);
  y.backward(dy);
  CHECK(relative_error(named(state.gradients(), "k.weight"), dy.narrow(1, 96, 32).t().matmul(x)) <
        1e-6);
}

TEST_CASE("a model's stored matrices take the bytes that their form says", "[params]") {
  // All but the embedding, the head, biases and norm; a few bytes for partial blocks.
  const auto state = BasicFull<Nf4>{.train = "norm"}.attach(SmallModel{at::kBFloat16});
  const std::int64_t stored = (128 + 64) * 64, dense = 2 * (6 * 64 + 6 * 64 + 128 + 64 + 64);
  CHECK(static_cast<double>(state.bytes() - dense) <= 0.6 * static_cast<double>(stored));
}

namespace {

/// A checkpoint in 4 bits: what `packed_weights` gave, by tensor name.
struct PackedModel : SmallModel {
  std::map<std::string, Tensor> file;

  Tensor load(const std::string& name, const std::vector<std::int64_t>&, double, bool) const {
    return file.at(name);
  }
  PackedTensors load_packed(const std::string& name) const {
    PackedTensors tensors;
    if (!file.contains(name + "." + std::string(kNf4StateKey))) return tensors;
    for (const auto& [key, tensor] : file) {
      if (key == name) tensors[""] = tensor;
      if (key.starts_with(name + ".")) tensors[key.substr(name.size() + 1)] = tensor;
    }
    return tensors;
  }
};

PackedModel packed_model(const Nf4& storage) {
  const auto state = BasicFull<Nf4>{.train = "norm", .storage = storage}.attach(SmallModel{});
  PackedModel model;
  for (const NamedTensor& tensor : state.packed_weights()) model.file[tensor.name] = tensor.value;
  return model;
}

}  // namespace

TEST_CASE("a checkpoint in 4 bits keeps its codes, whatever the storage's own form", "[params]") {
  for (const bool double_quant : {true, false}) {
    const PackedModel model = packed_model({.double_quant = double_quant, .blocksize = 32});
    CHECK(model.file.contains("conv.weight.nested_absmax") == double_quant);
    const auto again = BasicFull<Nf4>{.train = "norm"}.attach(model);
    const auto tensors = again.packed_weights();
    CHECK(tensors.size() == model.file.size());
    for (const NamedTensor& tensor : tensors) {
      INFO(tensor.name);
      CHECK(at::equal(tensor.value, model.file.at(tensor.name)));
    }
    // Dense, transposed back; and another storage of the same values.
    const FullState dense = Full{}.attach(model);
    for (const NamedTensor& weight : again.weights()) {
      INFO(weight.name);
      CHECK(at::equal(weight.value, named(dense.weights(), weight.name)));
    }
    const auto eight = BasicFull<Int8>{.train = "norm"}.attach(model);
    CHECK(at::equal(eight.part(1, 0), round_trip(Int8{}, dense.part(1, 0))));
  }
}

TEST_CASE("a checkpoint in a GGUF file's blocks keeps them, or gives their values", "[params]") {
  struct Blocks : SmallModel {
    GgufMatrix matrix = Gguf{.type = GgufType::kQ4_1}.store(normal({96, 64}, 1, at::kFloat));
    PackedTensors load_packed(const std::string& name) const {
      if (name != "q.weight") return {};
      return pack_gguf(matrix.type, matrix.blocks);
    }
  };
  Blocks model;
  Tensor values = at::empty({96, 64});
  model.matrix.write(values);
  const auto kept = BasicFull<Gguf>{.train = "norm"}.attach(model);
  const auto& stored = kept.site(0).blocks[0].stored;
  CHECK(stored[0].type == GgufType::kQ4_1);
  CHECK(at::equal(stored[0].blocks, model.matrix.blocks));
  CHECK_FALSE(stored[0].blocks.is_alias_of(model.matrix.blocks));
  CHECK(stored[1].type == GgufType::kQ8_0);  // k, which the checkpoint has dense
  CHECK(at::equal(kept.part(0, 0), values));
  CHECK(at::equal(named(Full{}.attach(model).weights(), "q.weight"), values));
  CHECK(at::equal(BasicFull<Int8>{.train = "norm"}.attach(model).part(0, 0),
                  round_trip(Int8{}, values)));
  model.matrix = Gguf{}.store(normal({32, 64}, 1, at::kFloat));
  CHECK_THROWS_WITH(BasicFull<Gguf>{.train = "norm"}.attach(model),
                    "q.weight: expected a stored matrix of [96, 64], found [32, 64]");
}

TEST_CASE("a damaged checkpoint in 4 bits is refused by name", "[params]") {
  PackedModel model = packed_model({});
  model.file.erase("q.weight.absmax");
  CHECK_THROWS_WITH(BasicFull<Nf4>{.train = "norm"}.attach(model),
                    "q.weight: missing key 'q.weight.absmax'");
}
