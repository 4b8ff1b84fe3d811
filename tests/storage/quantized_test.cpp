// SPDX-License-Identifier: Apache-2.0
// Quantised storage: codes, scales, and models whose frozen matrices are stored so. That codes and
// scales are bitsandbytes' own is shown by parity/quantized_parity.py.
#include <map>
#include <optional>

#include "posttrain/params/full.hpp"
#include "posttrain/storage/impl/quantize_8bit.ipp"
#include "posttrain/storage/impl/quantize_nf4.ipp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

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

/// The same with every stored matrix replaced by what its storage makes of it.
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

Tensor round_trip(const auto& storage, const Tensor& w, at::ScalarType type = at::kFloat) {
  const Tensor out = at::empty(w.sizes(), type);
  storage.store(w).write(out);
  return out;
}

Tensor named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return tensor.value;
  }
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEST_CASE("NF4 codes name the nearest value, a tie the lower one", "[params]") {
  Tensor x = at::empty({1, 64}, at::kFloat);
  float* values = x.mutable_data_ptr<float>();
  for (std::size_t i = 0; i < 16; ++i) {
    const float value = kNf4Values[i];
    const float midpoint = i < 15 ? (value + kNf4Values[i + 1]) / 2 : 1.0F;
    values[4 * i] = value;
    values[4 * i + 1] = midpoint;
    values[4 * i + 2] = std::nextafter(midpoint, 2.0F);
    values[4 * i + 3] = std::nextafter(midpoint, -2.0F);
  }
  values[62] = 1.0F;  // nothing above 1: the scale stays 1
  const QuantizedNf4 q = quantize_nf4(x, 64);
  CHECK(q.absmax.item<float>() == 1.0F);
  const auto code = [&](std::size_t i) {
    const int byte = q.codes.const_data_ptr<std::uint8_t>()[i / 2];
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  };
  for (std::size_t i = 0; i < 15; ++i) {
    CHECK(code(4 * i) == static_cast<int>(i));
    CHECK(code(4 * i + 1) == static_cast<int>(i));
    CHECK(code(4 * i + 2) == static_cast<int>(i) + 1);
    CHECK(code(4 * i + 3) == static_cast<int>(i));
  }
}

TEST_CASE("every NF4 code comes back as its value times the scale", "[params]") {
  for (const auto type : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const Tensor codes = at::empty({40}, at::kByte);  // blocks of 32, 32 and 16 values
    for (int i = 0; i < 40; ++i) {
      codes.mutable_data_ptr<std::uint8_t>()[i] =
          static_cast<std::uint8_t>((2 * i) % 16 << 4 | (2 * i + 1) % 16);
    }
    const Tensor out = at::empty({80}, type);
    dequantize_nf4(codes, at::tensor({0.3F, 7.0F, 1e-3F}), 32, out);
    for (int i = 0; i < 80; ++i) {
      const float scale = i < 32 ? 0.3F : i < 64 ? 7.0F : 1e-3F;
      const Tensor exact =
          at::scalar_tensor(kNf4Values[static_cast<std::size_t>(i % 16)] * scale, at::kFloat);
      CHECK(at::equal(out[i], exact.to(type)));
    }
  }
}

TEST_CASE("blocks are scaled alone; zeros stay zeros", "[params]") {
  for (const std::int64_t columns : {64, 30, 13}) {
    const Tensor w = normal({9, columns}, 3, at::kFloat);
    w.view({-1}).narrow(0, 64, 40).fill_(0.0F);
    w.view({-1}).narrow(0, 0, 64).mul_(1e4F);
    const Tensor exact = round_trip(Nf4{.double_quant = false, .blocksize = 32}, w);
    // Values are at most 0.304 apart, so that none is further than 0.152 of its block's scale away.
    for (std::int64_t first = 0; first < w.numel(); first += 32) {
      const std::int64_t count = std::min<std::int64_t>(32, w.numel() - first);
      const Tensor a = w.view({-1}).narrow(0, first, count);
      const Tensor b = exact.view({-1}).narrow(0, first, count);
      const double scale = a.abs().max().item<double>();
      CHECK((a - b).abs().max().item<double>() <= 0.1520 * scale);
      CHECK(b.abs().max().item<double>() == scale);
    }
    CHECK(at::equal(round_trip(Int8{}, at::zeros({3, columns})), at::zeros({3, columns})));
    CHECK(at::equal(round_trip(Nf4{}, at::zeros({4, 64})), at::zeros({4, 64})));
  }
}

TEST_CASE("what a storage has made of a matrix it stores again unchanged", "[params]") {
  const Tensor w = normal({48, 80}, 5, at::kFloat);
  const Tensor once = round_trip(Nf4{.double_quant = false}, w);
  CHECK(at::equal(round_trip(Nf4{.double_quant = false}, once), once));
  CHECK(relative_error(round_trip(Nf4{}, w), once) < 0.02);
  CHECK(relative_error(round_trip(Int8{}, w), w) < 0.01);
}

TEST_CASE("plain tensor operations give the same as the kernels", "[params]") {
  for (const std::int64_t columns : {64, 33}) {
    const Tensor w = normal({7, columns}, 8, at::kFloat);
    w.view({-1}).narrow(0, 32, 32).fill_(0.0F);
    const QuantizedNf4 fast = quantize_nf4(w, 32),
                       generic = posttrain::detail::quantize_nf4_generic(w, 32);
    CHECK(at::equal(fast.codes, generic.codes));
    CHECK(at::equal(fast.absmax, generic.absmax));
    const Tensor a = at::empty(w.sizes(), at::kBFloat16), b = at::empty_like(a);
    dequantize_nf4(fast.codes, fast.absmax, 32, a);
    posttrain::detail::dequantize_nf4_generic(fast.codes, fast.absmax, 32, b);
    CHECK(at::equal(a, b));

    const Quantized8Bit fast8 = quantize_8bit(w, true, 64);
    const Quantized8Bit generic8 = posttrain::detail::quantize_8bit_generic(w, true, 64);
    CHECK(at::equal(fast8.absmax, generic8.absmax));
    dequantize_8bit(fast8, dynamic_map(true), 64, a);
    posttrain::detail::dequantize_8bit_generic(fast8, dynamic_map(true), 64, b);
    CHECK(at::equal(a, b));
    // The grid of the kernel moves a decision by at most its spacing.
    const Tensor x = at::empty(w.sizes()), y = at::empty(w.sizes());
    dequantize_8bit(fast8, dynamic_map(true), 64, x);
    dequantize_8bit(generic8, dynamic_map(true), 64, y);
    const double spacing = 2.0 / 65535 * w.abs().max().item<double>();
    CHECK(((x - w).abs() - (y - w).abs()).max().item<double>() <= spacing);
  }
}

TEST_CASE("the dynamic maps ascend from their end to one", "[params]") {
  for (const bool is_signed : {true, false}) {
    const Tensor map = dynamic_map(is_signed);
    const float* values = map.const_data_ptr<float>();
    for (int i = 0; i < 255; ++i) CHECK(values[i] < values[i + 1]);
    CHECK(values[is_signed ? 127 : 0] == 0.0F);
    CHECK(values[255] == 1.0F);
    if (is_signed) CHECK(values[0] == Approx(-0.99297).epsilon(1e-5));
  }
}

TEMPLATE_TEST_CASE("a model on quantised storage is the model of the rounded matrices", "[params]",
                   Nf4, Int8) {
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

TEMPLATE_TEST_CASE("beside quantised rows of a fused site others train", "[params]", Nf4, Int8) {
  const auto state = BasicFull<TestType>{.train = "k"}.attach(SmallModel{});
  const Tensor x = normal({3, 64}, 1, at::kFloat), dy = normal({3, 128}, 2, at::kFloat);
  const Tensor q = named(state.weights(), "q.weight"), k = named(state.weights(), "k.weight");
  const Tensor y = state.linear(0, x);
  CHECK(relative_error(y.detach(), x.matmul(at::cat({q, k}).t())) < 1e-6);
  y.backward(dy);
  CHECK(relative_error(named(state.gradients(), "k.weight"), dy.narrow(1, 96, 32).t().matmul(x)) <
        1e-6);
}

TEST_CASE("quantised matrices take the bytes that their form says", "[params]") {
  const Tensor w = normal({256, 512}, 1, at::kFloat);
  const auto per_parameter = [&](const auto& storage) {
    return static_cast<double>(storage.store(w).bytes()) / static_cast<double>(w.numel());
  };
  CHECK(per_parameter(Nf4{}) == Approx(4.0 / 8 + 1.0 / 64 + 4.0 / (64 * 256)));
  CHECK(per_parameter(Nf4{.double_quant = false}) == Approx(4.0 / 8 + 4.0 / 64));
  CHECK(per_parameter(Int8{}) == Approx(1.0 + 4.0 / 256));
  // All but the embedding, the head, biases and norm; a few bytes for partial blocks.
  const auto state = BasicFull<Nf4>{.train = "norm"}.attach(SmallModel{at::kBFloat16});
  const std::int64_t stored = (128 + 64) * 64, dense = 2 * (6 * 64 + 6 * 64 + 128 + 64 + 64);
  CHECK(static_cast<double>(state.bytes() - dense) <= 0.6 * static_cast<double>(stored));
}

TEST_CASE("bad settings of quantised storage are refused", "[params]") {
  CHECK_NOTHROW(Nf4{.blocksize = 4096}.validate());
  CHECK_THROWS_WITH(Nf4{.blocksize = 48}.validate(),
                    "posttrain: Nf4.blocksize must be a power of two from 32 to 4096");
  CHECK_THROWS_WITH(Int8{.blocksize = 32}.validate(),
                    "posttrain: Int8.blocksize must be a power of two from 64 to 4096");
  CHECK_THROWS_WITH(Nf4{}.store(at::zeros({3})),
                    Catch::Contains("Nf4 expected a matrix to store, got [3]"));
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

TEST_CASE("a damaged checkpoint in 4 bits is refused by name", "[params]") {
  const auto error_of = [](const std::string& key, std::optional<Tensor> value) {
    PackedModel model = packed_model({});
    if (value) {
      model.file[key] = *value;
    } else {
      model.file.erase(key);
    }
    try {
      BasicFull<Nf4>{.train = "norm"}.attach(model);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  const auto bytes = [](std::string_view text) {
    Tensor tensor = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
    std::copy(text.begin(), text.end(), tensor.mutable_data_ptr<std::uint8_t>());
    return tensor;
  };
  CHECK(error_of("q.weight.absmax", std::nullopt) == "q.weight: missing key 'q.weight.absmax'");
  CHECK(error_of("q.weight.quant_map", at::zeros({16})) ==
        "q.weight.quant_map: expected the values of NF4");
  CHECK_THAT(error_of("q.weight", at::zeros({5}, at::kByte)),
             Catch::Contains("expected 3072 elements of Byte for a matrix of [96, 64]"));
  CHECK_THAT(error_of("q.weight.quant_state.bitsandbytes__nf4", bytes("{")),
             Catch::Contains("q.weight.quant_state.bitsandbytes__nf4: expected JSON"));
  CHECK_THAT(error_of("q.weight.quant_state.bitsandbytes__nf4", bytes(R"({"shape": [96, 64]})")),
             Catch::Contains("expected shape, blocksize and the nested values"));
  CHECK_THAT(error_of("q.weight.quant_state.bitsandbytes__nf4",
                      bytes(R"({"shape": [64, 96], "blocksize": 64})")),
             Catch::Contains("q.weight.absmax: expected"));
}
