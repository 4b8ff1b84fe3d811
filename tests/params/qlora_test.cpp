// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/qlora.hpp"

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/lora.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("LoftQ's adapters are the best of their rank for the error of the quantised base",
          "[params][lora][loftq]") {
  const models::Decoder model = tiny_model();
  const FullState full = Full{}.attach(model);
  const auto plain = QLora{}.attach(model);
  const auto norm = [](const Tensor& t) { return t.norm().item<double>(); };
  double first = 0.0;
  for (const std::int64_t iterations : {1, 5}) {
    for (const bool dora : {false, true}) {
      INFO(iterations << " iterations, DoRA " << dora);
      auto state = QLora{.rank = 4,
                         .alpha = 6,
                         .use_dora = dora,
                         .init = LoraInit::loftq,
                         .loftq_iter = iterations}
                       .attach(model);
      double total = 0.0;
      for (int site = 0; site < 8; ++site) {
        for (int part = 0; part < static_cast<int>(model.layout().sites[site].parts.size());
             ++part) {
          const Tensor w = full.part(site, part), q = state.base().part(site, part);
          if (iterations == 1) CHECK(at::equal(q, plain.base().part(site, part)));
          const auto adapters = state.adapters();
          const auto& name = model.layout().sites[site].parts[part].name;
          const auto& adapter = *std::ranges::find(adapters, name, &AdapterTensors::module);
          const Tensor left = w - q - adapter.b.matmul(adapter.a) * adapter.scale;
          const Tensor s = std::get<1>(at::linalg_svd(w - q, false));
          CHECK(norm(left) == Approx(norm(s.narrow(0, 4, s.size(0) - 4))).epsilon(1e-9));
          CHECK(norm(left) < norm(w - q));
          total += norm(left) * norm(left);
        }
      }
      if (iterations == 1) first = total;
      if (iterations > 1) CHECK(total < first);
      // Nearer to the model than its quantised base is, and the reference is where it starts.
      const Tensor start = hidden_of(state);
      CHECK(relative_error(start, hidden_of(full)) <
            relative_error(hidden_of(plain), hidden_of(full)));
      CHECK(at::equal(hidden_of(state.reference()), start));
      disturb(state);
      CHECK(at::equal(hidden_of(state.reference()), start));
      const models::Decoder alone = merged(state);
      CHECK(relative_error(hidden_of(Full{}.attach(alone), alone), hidden_of(state)) < 1e-12);
    }
  }
  // A checkpoint in 4 bits does not hold what was lost.
  std::map<std::string, std::map<std::string, Tensor>> packed;
  std::map<std::string, Tensor> dense;
  for (const NamedTensor& tensor : plain.base().packed_weights()) {
    const std::size_t end = tensor.name.find(".weight.");
    dense[tensor.name] = tensor.value;
    if (end == std::string::npos) continue;
    const std::string matrix = tensor.name.substr(0, end + 7);
    packed[matrix][tensor.name.substr(end + 8)] = tensor.value;
    packed[matrix][""] = dense.at(matrix);
  }
  const models::Decoder stored(
      tiny_config(), {.dtype = at::kDouble},
      [&](const std::string& name, const std::vector<std::int64_t>&) { return dense.at(name); },
      [&](const std::string& name) {
        return packed.contains(name) ? packed.at(name) : std::map<std::string, Tensor>();
      });
  CHECK_THROWS_WITH((QLora{.init = LoraInit::loftq}.attach(stored)),
                    Catch::Contains("unquantised checkpoint"));
}
