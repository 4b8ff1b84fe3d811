// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/record.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/base/literal_string.hpp"
#include "posttrain/tensor/tensor.hpp"  // what is compiled of trainer/ links LibTorch
#include "support/catch.hpp"

using namespace posttrain;

namespace {

enum class Order { forward, backward };

struct Inner {
  bool on = true;
  LiteralString path = "a.jsonl";
};
/// Stands for numbers that no record should hold.
class Big {
 public:
  std::string description() const { return "3 numbers"; }
};
struct Policy {
  std::int64_t rank = -8;
  std::uint64_t seed = 18446744073709551615ULL;
  float ratio = 0.5F;
  Order order = Order::backward;
  Inner inner{};
  std::vector<std::string> names{"q", "k"};
  Big big{};
};

}  // namespace

TEST_CASE("a record holds every field by name and in order", "[trainer][record]") {
  CHECK(to_record(Policy{}).json().dump() ==
        R"({"type":"Policy","rank":-8,"seed":18446744073709551615,"ratio":0.5,)"
        R"("order":"backward","inner":{"type":"Inner","on":true,"path":"a.jsonl"},)"
        R"("names":["q","k"],"big":"3 numbers"})");
}

TEST_CASE("records nest, and a name that comes again is replaced", "[trainer][record]") {
  RunRecord record;
  record.add("loss", to_record(Inner{.on = false}));
  record.add("steps", std::int64_t{3});
  record.add("steps", std::int64_t{4});
  record.add("words", std::vector<std::string>{"x", "y"});
  CHECK(record.json().dump() ==
        R"({"loss":{"type":"Inner","on":false,"path":"a.jsonl"},"steps":4,"words":["x","y"]})");
  const RunRecord shared = record;  // a copy is the same record
  record.add("more", true);
  CHECK(shared.json().contains("more"));
}
