// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/by_name.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;

namespace {

enum class Metal { iron, red_gold, tin };

struct Ring {
  ByName<Metal> metal = Metal::tin;
};

}  // namespace

TEST_CASE("a choice is given as an enumerator or by its name", "[core]") {
  CHECK(Ring{}.metal.value() == Metal::tin);
  CHECK(Ring{.metal = "red_gold"}.metal.value() == Metal::red_gold);
  CHECK(Ring{.metal = std::string("iron")}.metal.value() == Metal::iron);
  Ring ring;
  ring.metal = Metal::iron;
  const Metal metal = ring.metal;
  CHECK(metal == Metal::iron);
  ring.metal = "tin";
  CHECK(ring.metal.value() == Metal::tin);
}

TEST_CASE("a choice describes itself by its name", "[core]") {
  CHECK(ByName(Metal::red_gold).description() == "red_gold");
  CHECK(describe(Ring{}) == "Ring{.metal = tin}");
}

TEST_CASE("a choice can be a constant", "[core]") {
  constexpr ByName<Metal> kMetal = Metal::red_gold;
  static_assert(kMetal.value() == Metal::red_gold);
  static_assert(kMetal == Metal::red_gold);
}

TEST_CASE("a name that no enumerator has is an error that lists all", "[core]") {
  for (const char* name : {"gold", "", "Tin", "tin ", "3"}) {
    CHECK(error_of([&] { ByName<Metal>{name}; }) ==
          std::string("expected one of iron, red_gold, tin, got \"") + name + "\"");
  }
}
