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

// As many fields as the header supports, and one more than eight of them.
struct Full96 {
  int x1 = 1, x2 = 2, x3 = 3, x4 = 4, x5 = 5, x6 = 6, x7 = 7, x8 = 8, x9 = 9, x10 = 10, x11 = 11,
      x12 = 12, x13 = 13, x14 = 14, x15 = 15, x16 = 16, x17 = 17, x18 = 18, x19 = 19, x20 = 20,
      x21 = 21, x22 = 22, x23 = 23, x24 = 24, x25 = 25, x26 = 26, x27 = 27, x28 = 28, x29 = 29,
      x30 = 30, x31 = 31, x32 = 32, x33 = 33, x34 = 34, x35 = 35, x36 = 36, x37 = 37, x38 = 38,
      x39 = 39, x40 = 40, x41 = 41, x42 = 42, x43 = 43, x44 = 44, x45 = 45, x46 = 46, x47 = 47,
      x48 = 48, x49 = 49, x50 = 50, x51 = 51, x52 = 52, x53 = 53, x54 = 54, x55 = 55, x56 = 56,
      x57 = 57, x58 = 58, x59 = 59, x60 = 60, x61 = 61, x62 = 62, x63 = 63, x64 = 64, x65 = 65,
      x66 = 66, x67 = 67, x68 = 68, x69 = 69, x70 = 70, x71 = 71, x72 = 72, x73 = 73, x74 = 74,
      x75 = 75, x76 = 76, x77 = 77, x78 = 78, x79 = 79, x80 = 80, x81 = 81, x82 = 82, x83 = 83,
      x84 = 84, x85 = 85, x86 = 86, x87 = 87, x88 = 88, x89 = 89, x90 = 90, x91 = 91, x92 = 92,
      x93 = 93, x94 = 94, x95 = 95, last_field = 96;
};
struct Nine {
  int a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9;
};

// Neither of the first two fields can be left out.
struct Choice {
  explicit Choice(int choice) : value(choice) {}
  int value;
};
struct Required {
  Choice first, second;
  std::vector<std::string> words{};
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

TEST_CASE("an aggregate of up to 96 fields is described", "[core][describe]") {
  const Full96 full;
  const std::vector<std::string> names = names_of(full);
  REQUIRE(names.size() == 96);
  CHECK(names.front() == "x1");
  CHECK(names[94] == "x95");
  CHECK(names.back() == "last_field");
  int expected = 0;
  for_each_field(full, [&](std::string_view, const int& value) { CHECK(value == ++expected); });
  CHECK(expected == 96);
  CHECK(describe(Nine{.i = 10}) ==
        "Nine{.a = 1, .b = 2, .c = 3, .d = 4, .e = 5, .f = 6, .g = 7, .h = 8, .i = 10}");
}

TEST_CASE("fields of an object that is no constant can be changed", "[core][describe]") {
  Full96 full;
  for_each_field(full, [](std::string_view name, int& value) { value = name == "x9" ? -1 : 0; });
  CHECK(full.x9 == -1);
  CHECK(full.x1 == 0);
  CHECK(full.last_field == 0);
}

TEST_CASE("fields that must be given are counted, too", "[core][describe]") {
  static_assert(detail::field_count<Required>() == 3);
  CHECK(names_of(Required{Choice(1), Choice(2)}) ==
        std::vector<std::string>{"first", "second", "words"});
}

TEST_CASE("names of types lose namespaces and template arguments", "[core][describe]") {
  CHECK(type_name<posttrain::Options>() == "Options");
  CHECK(type_name<optim::Schedule>() == "Schedule");
  CHECK(type_name<data::BasicThing<data::Packer>>() == "BasicThing");
  CHECK(describe(data::BasicThing<data::Packer>{}) == "BasicThing{.packing = Packer{}}");
  CHECK(enum_name(optim::LrScheduler::cosine_with_min_lr) == "cosine_with_min_lr");
  CHECK(enum_name(static_cast<Colour>(9)) != "red");
}

TEST_CASE("what is no aggregate is its type", "[core][describe]") {
  const auto closure = [factor = 2](int x) { return factor * x; };
  CHECK_FALSE(describe(closure).empty());
  CHECK(describe(std::vector{closure}) == "[" + describe(closure) + "]");
}

TEST_CASE("names are constants", "[core][describe]") {
  static_assert(type_name<Inner>() == "Inner");
  static_assert(enum_name(Colour::deep_blue) == "deep_blue");
  static_assert(detail::field_name<Inner, 1>() == "colour");
  static_assert(detail::field_count<Everything>() == 13);
  static_assert(detail::field_count<Empty>() == 0);
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
