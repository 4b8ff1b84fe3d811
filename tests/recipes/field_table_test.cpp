// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/field_table.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

namespace {

struct Kettle {
  double litres = 1.5;
  int lid_count = 1;
  std::string colour = "red";
};

constexpr std::array kVolume{field<&Kettle::litres>("litres", "when full")};
constexpr std::array kRest{field<&Kettle::lid_count>("", "lids"),
                           field<&Kettle::colour>("", "of the enamel")};
constexpr auto kKettle = joined(kVolume, kRest);

constexpr std::array kNoHelp{kVolume[0], kRest[0], field<&Kettle::colour>("", "")};
constexpr std::array kTwice{kVolume[0], kRest[0], kRest[0]};

}  // namespace

TEST_CASE("a row has its field's name, unit and help", "[recipes]") {
  static_assert(kKettle[0].name == "litres");
  static_assert(kKettle[1].name == "lid_count");
  static_assert(kKettle[0].unit == "litres" && kKettle[1].unit.empty());
  static_assert(kKettle[2].help == "of the enamel");
}

TEST_CASE("a table has one row with help for each field, in order", "[recipes]") {
  static_assert(is_table_of<Kettle>(kKettle));
  static_assert(!is_table_of<Kettle>(joined(kRest, kVolume)));
  static_assert(!is_table_of<Kettle>(kVolume));
  static_assert(!is_table_of<Kettle>(joined(kKettle, kVolume)));
  static_assert(!is_table_of<Kettle>(kNoHelp));
  static_assert(!is_table_of<Kettle>(kTwice));
}

TEST_CASE("a row is visited with its field's value", "[recipes]") {
  std::vector<std::string> seen;
  for_each_row(kKettle, Kettle{.lid_count = 2}, [&](const Field& row, const auto& value) {
    seen.push_back(std::string(row.name) + " = " + describe(value) + " " + std::string(row.unit));
  });
  CHECK(seen ==
        std::vector<std::string>{"litres = 1.5 litres", "lid_count = 2 ", "colour = \"red\" "});
}
