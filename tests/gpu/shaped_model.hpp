// SPDX-License-Identifier: Apache-2.0
// Models of published shapes (shapes.json) with random weights: no model's file is needed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gpu/program.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/models/families/parse.hpp"

namespace posttrain::gpu {

/// Matrices N(0, 0.02²), of numbers that repeat after some millions: drawing billions takes
/// minutes.
class RandomWeights {
 public:
  RandomWeights() : pool_(at::empty({kPool}, at::kFloat)) {
    Philox4x32 generator(1, 0);
    float* values = pool_.data_ptr<float>();
    for (std::int64_t i = 0; i < kPool; ++i) {
      values[i] = static_cast<float>(generator.normal() * 0.02);
    }
    pool_ = pool_.to(at::kBFloat16);
  }

  Tensor operator()(const std::string& name, const std::vector<std::int64_t>& shape) const {
    if (shape.size() < 2) {
      return at::full(shape, name.ends_with("bias") ? 0.0 : 1.0, at::kFloat);
    }
    const Tensor drawn = at::empty(shape, pool_.options()), flat = drawn.view({-1});
    auto from = static_cast<std::int64_t>(stream_of(name) % kPool);
    for (std::int64_t done = 0; done < flat.numel(); from = 0) {
      const std::int64_t count = std::min(flat.numel() - done, kPool - from);
      flat.narrow(0, done, count).copy_(pool_.narrow(0, from, count));
      done += count;
    }
    return drawn;
  }

 private:
  static constexpr std::int64_t kPool = (std::int64_t{1} << 22) - 3;  // no row's multiple
  Tensor pool_;
};

struct Shaped {
  std::string shapes, model = "tiny";
  std::int64_t layers = 0;

  void add_to(CLI::App& app) {
    app.add_option("--shapes", shapes, "a file of configurations by name")->required();
    app.add_option("--model", model, "one of them");
    app.add_option("--layers", layers, "fewer than its own (0: all)");
  }

  models::Decoder decoder(const Device& device) const {
    const Json all = io::parse_json(io::read_text_file(shapes), shapes);
    if (!all.contains(model)) raise("{}: no shape {}", shapes, model);
    Json shape = all[model];
    if (layers > 0) shape["num_hidden_layers"] = layers;
    return models::Decoder(models::parse_config(shape.dump()),
                           {.dtype = at::kBFloat16, .device = device}, RandomWeights());
  }
};

/// Products of a token forward, in multiply-adds: of matrices with the head; the looked-up table is
/// none.
inline double products_per_token(const models::DecoderConfig& config) {
  const auto number = [](std::int64_t n) { return static_cast<double>(n); };
  const double width = number(config.hidden_size), heads = number(config.num_heads),
               kv_heads = number(config.num_kv_heads), size = number(config.head_dim);
  const double layer = width * size * (2.0 * heads + 2.0 * kv_heads) +
                       3.0 * width * number(config.intermediate_size);
  return number(config.num_layers()) * layer + width * number(config.vocab_size);
}

inline TokenIds random_ids(std::int64_t count, std::uint64_t seed, std::int64_t vocabulary) {
  Philox4x32 generator(seed, 1);
  TokenIds ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<TokenId>(generator.below(static_cast<std::uint32_t>(vocabulary))));
  }
  return ids;
}

}  // namespace posttrain::gpu
