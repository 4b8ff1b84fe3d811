// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/describe.hpp"

#include <cstdlib>
#include <limits>

#include "posttrain/trainer/options.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace posttrain::data {
template <class Packer>
struct BasicThing {
  Packer packing{};
};
struct Packer {};
}  // namespace posttrain::data

namespace {

enum class Colour { red, deep_blue };
enum Plain : int { kZero, kOne };

struct Inner {
  double rate = 0.5;
  Colour colour = Colour::deep_blue;
};

struct Everything {
  bool flag = true;
  int small = -3;
  std::int64_t large = 1LL << 40;
  std::uint64_t seed = 18446744073709551615ULL;
  float single = 0.1F;
  double wide = 0.1;
  Colour colour = Colour::red;
  Plain plain = kOne;
  LiteralString path = "a b";
  std::string_view view = "literal";
  std::string text = "owned";
  Inner inner{};
  unsigned short last_field_1 = 7;
};

struct Empty {};
struct One {
  int only = 1;
};

// As many fields as the header supports.
struct Full26 {
  int a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12, m = 13,
      n = 14, o = 15, p = 16, q = 17, r = 18, s = 19, t = 20, u = 21, v = 22, w = 23, x = 24,
      y = 25, zz_last = 26;
};

template <class T>
std::vector<std::string> names_of(const T& value) {
  std::vector<std::string> names;
  for_each_field(value, [&](std::string_view name, const auto&) { names.emplace_back(name); });
  return names;
}

}  // namespace

TEST_CASE("an aggregate is described with the names and values of its fields", "[core][describe]") {
  CHECK(describe(Inner{}) == "Inner{.rate = 0.5, .colour = deep_blue}");
  CHECK(describe(Inner{.rate = 1e-5, .colour = Colour::red}) ==
        "Inner{.rate = 1e-05, .colour = red}");
  CHECK(describe(Empty{}) == "Empty{}");
  CHECK(describe(One{}) == "One{.only = 1}");
}

TEST_CASE("fields of every type that policies use are described", "[core][describe]") {
  const Everything all;
  CHECK(names_of(all) == std::vector<std::string>{"flag", "small", "large", "seed", "single",
                                                  "wide", "colour", "plain", "path", "view", "text",
                                                  "inner", "last_field_1"});
  std::vector<std::string> values;
  for_each_field(all,
                 [&](std::string_view, const auto& value) { values.push_back(describe(value)); });
  CHECK(values == std::vector<std::string>{"true", "-3", "1099511627776", "18446744073709551615",
                                           "0.1", "0.1", "red", "kOne", "\"a b\"", "\"literal\"",
                                           "\"owned\"", "Inner{.rate = 0.5, .colour = deep_blue}",
                                           "7"});
}

TEST_CASE("numbers read back as the same numbers", "[core][describe]") {
  for (const double value : {1.0 / 3.0, 1e-300, 123456789.123456789, 5e-324}) {
    CHECK(std::strtod(describe(value).c_str(), nullptr) == value);
  }
  CHECK(describe(std::numeric_limits<double>::infinity()) == "inf");
}

TEST_CASE("fields can be changed by reference and number up to 26", "[core][describe]") {
  Full26 full;
  CHECK(names_of(full).size() == 26);
  CHECK(names_of(full).back() == "zz_last");
  int sum = 0;
  for_each_field(full, [&](std::string_view, const int& value) { sum += value; });
  CHECK(sum == 26 * 27 / 2);
}

TEST_CASE("names of types lose namespaces and template arguments", "[core][describe]") {
  CHECK(type_name<posttrain::Options>() == "Options");
  CHECK(type_name<optim::Schedule>() == "Schedule");
  CHECK(type_name<data::BasicThing<data::Packer>>() == "BasicThing");
  CHECK(describe(data::BasicThing<data::Packer>{}) == "BasicThing{.packing = Packer{}}");
  CHECK(enum_name(optim::LrScheduler::cosine_with_min_lr) == "cosine_with_min_lr");
  CHECK(enum_name(static_cast<Colour>(9)) != "red");
}

TEST_CASE("names are constants", "[core][describe]") {
  static_assert(type_name<Inner>() == "Inner");
  static_assert(enum_name(Colour::deep_blue) == "deep_blue");
  static_assert(detail::field_name<Inner, 1>() == "colour");
  static_assert(detail::field_count<Everything>() == 13);
}

TEST_CASE("every option of a run is described", "[core][describe]") {
  Options options;
  options.run_dir = "runs/a";
  const std::string text = describe(options);
  CHECK_THAT(text, Catch::Contains(".num_epochs = 1, "));
  CHECK_THAT(text, Catch::Contains(".lr_scheduler = Schedule{.type = cosine, .num_cycles = 0"));
  CHECK_THAT(text, Catch::Contains(".run_dir = \"runs/a\""));
  CHECK_THAT(text, Catch::Contains(".progress = true}"));
}
