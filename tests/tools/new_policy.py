# SPDX-License-Identifier: Apache-2.0
"""Starts a policy: its header, its test and its section in the documentation, all of which compile.

    python3 tests/tools/new_policy.py losses/mine          a loss on tokens
    python3 tests/tools/new_policy.py params/mine          a parameter policy on frozen weights
    python3 tests/tools/new_policy.py data/mine            a data policy that makes its sequences

writes include/posttrain/losses/mine.hpp, tests/losses/mine_test.cpp and a section "Mine" at the end of
docs/losses.md. Nothing else has to be touched: test files are found by themselves. `--root DIR` writes
into another tree. Files that are there are left alone, with an error.
"""

import argparse
import os
import re
import sys

import repo

LOSS = '''// SPDX-License-Identifier: Apache-2.0
// {Name}: one sentence on what it is for (arXiv id).
//
//   loss = −mean log p of the scored tokens              replace: the formula
//
// What a peer calls it, and how this one differs.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {{

struct {Name} {{
  using Batch = TokenBatch;
  static constexpr bool row_local = true;

  double scale = 1.0;  // a hyperparameter, with its default and unit

  constexpr void validate() const {{
    if (!(scale > 0.0)) fail("posttrain: {Name}.scale must be positive");
  }}

  double count(const Batch& batch) const {{ return batch.weight.sum().item<double>(); }}
  Tensor sum(const Scores& scores, const Batch& batch) const {{
    return -(batch.weight * scores.logp).sum() * scale;
  }}
}};

}}  // namespace posttrain
'''

LOSS_TEST = '''// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/{name}.hpp"

#include "posttrain/concepts/check.hpp"
#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(LossPolicy<{Name}>);

TEST_CASE("{Name} is its formula", "[losses]") {{
  const models::Decoder model = tiny_model();
  const FullState state = Full{{}}.attach(model);
  const TokenBatch batch = batch_of({{some_sequence(7, 1), some_sequence(5, 2)}});
  const double once = loss_sum(model, state, batch, {Name}{{}});
  CHECK(once > 0.0);
  CHECK(loss_sum(model, state, batch, {Name}{{.scale = 2.0}}) == Approx(2.0 * once));
  CHECK_THROWS_WITH({Name}{{.scale = 0.0}}.validate(), Catch::Contains("must be positive"));
}}
'''

PARAMS = '''// SPDX-License-Identifier: Apache-2.0
// {Name}: one sentence on what is trained (arXiv id).
//
//   h = embedding + v                                    replace: the formula
//
// What a peer calls it, and how this one differs.
#pragma once

#include <vector>

#include "posttrain/nn/linear.hpp"
#include "posttrain/params/forwarding.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {{

/// The gate of `{Name}`: frozen weights, but for what it adds.
class {Name}State : public Forwarding<FrozenState> {{
 public:
  explicit {Name}State(const auto& model) : Forwarding(Frozen{{}}.attach(model)) {{
    const Tensor zeros = at::zeros({{model.layout().tables.at(0).columns}});
    groups_ = {{{{.name = "{name}", .value = zeros, .master = zeros, .grad = zeros.clone()}}}};
  }}

  Tensor embed(int table, const Tensor& ids) const {{
    const Tensor rows = gate().embed(table, ids);
    return table == 0 ? rows + tracked(groups_[0].value, groups_[0].grad, anchor()) : rows;
  }}

  std::vector<ParameterGroup>& trainable() {{ return groups_; }}
  const std::vector<ParameterGroup>& trainable() const {{ return groups_; }}
  void publish() {{}}  // value and master are one tensor
  std::vector<NamedTensor> weights() const {{ return {{{{"{name}", groups_[0].master}}}}; }}
  std::vector<NamedTensor> gradients() const {{ return {{{{"{name}", groups_[0].grad}}}}; }}

 private:
  std::vector<ParameterGroup> groups_;
}};

struct {Name} {{
  using State = {Name}State;
  static constexpr bool saves_model = false;

  State attach(const auto& model) const {{ return State(model); }}
}};

}}  // namespace posttrain
'''

PARAMS_TEST = '''// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/{name}.hpp"

#include "posttrain/concepts/check.hpp"
#include "posttrain/models/decoder.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(check_params<{Name}, models::Decoder>());

TEST_CASE("{Name} starts as the model that it is attached to", "[params]") {{
  const models::Decoder model = tiny_model(at::kFloat);
  const {Name}State state = {Name}{{}}.attach(model);
  const TokenBatch batch = batch_of({{some_sequence(7, 1)}});
  at::NoGradGuard no_grad;
  CHECK(at::equal(model.hidden(state, batch), model.hidden(state.gate(), batch)));
}}
'''

DATA = '''// SPDX-License-Identifier: Apache-2.0
// {Name}: one sentence on what the samples are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/batch/sequence_kind.hpp"
#include "posttrain/data/pipeline/loading.hpp"

namespace posttrain::data {{

struct {Name} {{
  LiteralString path{{}};  // a file or a folder of files (data/formats/reader.hpp)

  constexpr void validate() const {{ source().validate(); }}

  LoadedData load(const LoadContext& context) const {{
    const auto open = [](std::string_view from) {{
      return samples_until_nothing(
          [reader = std::make_shared<SampleReader>(from)] {{ return reader->next(); }});
    }};
    // Replace: what a sample holds, and which of its tokens are scored.
    const auto tokenize = [](const Json& sample) {{
      Sequence sequence{{sample.at("ids").get<TokenIds>(), {{}}, -1}};
      sequence.weights.assign(sequence.ids.size(), 1.0F);
      return std::vector{{sequence}};
    }};
    return load_items(SequenceKind{{}}, source(), context, open, tokenize);
  }}

  constexpr Source source() const {{ return {{path.view(), {{}}}}; }}
}};

}}  // namespace posttrain::data
'''

DATA_TEST = '''// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/{name}.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;

TEST_CASE("{Name} reads its samples", "[data]") {{
  const test::TempFolder folder;
  const data::{Name} policy{{.path = folder.write("samples.jsonl", R"({{"ids": [1, 2, 3]}})")}};
  const data::LoadedData loaded = policy.load({{}});
  REQUIRE(loaded.train.size() == 1);
  CHECK(loaded.train[0].ids == TokenIds{{1, 2, 3}});
  CHECK(loaded.report.scored == 2);
}}
'''

KINDS = {"losses": (LOSS, LOSS_TEST, "docs/losses.md"),
         "params": (PARAMS, PARAMS_TEST, "docs/parameters.md"),
         "data": (DATA, DATA_TEST, "docs/data.md")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("policy", help="losses/NAME, params/NAME or data/NAME, in snake_case")
    parser.add_argument("--root", default=repo.ROOT)
    options = parser.parse_args()
    match = re.fullmatch(r"(losses|params|data)/([a-z][a-z0-9_]*)", options.policy)
    if not match:
        sys.exit(f"expected losses/name, params/name or data/name in snake_case, got {options.policy}")
    room, name = match.groups()
    words = {"name": name, "Name": "".join(part.capitalize() for part in name.split("_"))}
    header, test, page = KINDS[room]
    targets = [(f"include/posttrain/{room}/{name}.hpp", header),
               (f"tests/{room}/{name}_test.cpp", test)]
    for path, _ in targets:
        if os.path.exists(os.path.join(options.root, path)):
            sys.exit(f"{path} is there already; hint: choose another name")
    for path, text in targets:
        where = os.path.join(options.root, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8") as file:
            file.write(text.format(**words))
        print("wrote " + path)
    section = "\n## {Name}\n`{room}/{name}.hpp`: what it is for, its formula, a table of its options.\n"
    where = os.path.join(options.root, page)
    os.makedirs(os.path.dirname(where), exist_ok=True)
    with open(where, "a", encoding="utf-8") as file:
        file.write(section.format(room=room, **words))
    print(f"added a section to {page}")


if __name__ == "__main__":
    main()
