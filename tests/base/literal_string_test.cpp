// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/literal_string.hpp"

#include <string>
#include <utility>

#include "support/catch.hpp"

namespace posttrain {
namespace {

struct Named {
  LiteralString name = "adamw";
  int value = 1;
};

constexpr Named kDefault{};
constexpr Named kCosine{.name = "cosine"};
constexpr Named kCopy = kCosine;
static_assert(kDefault.name.view() == "adamw");
static_assert(kCopy.name == kCosine.name);
static_assert(!(kDefault.name == kCosine.name));
static_assert(LiteralString{}.empty());

TEST_CASE("a literal string owns text that it is given at run time") {
  LiteralString copy;
  {
    std::string text = "a path that is longer than a small string";
    LiteralString first = text;
    text[0] = 'X';
    CHECK(first.view() == "a path that is longer than a small string");
    copy = first;
  }
  CHECK(copy.str() == "a path that is longer than a small string");
}

TEST_CASE("a literal string can be copied, moved and assigned to itself") {
  LiteralString a = std::string("alpha");
  LiteralString b = a;
  LiteralString c = std::move(b);
  const LiteralString& self = c;
  c = self;
  CHECK(c.view() == "alpha");
  a = LiteralString("beta");
  CHECK(a.view() == "beta");
  CHECK(c.view() == "alpha");
  a = "";
  CHECK(a.empty());
}

TEST_CASE("a constexpr policy's literal string is copied at run time") {
  Named copy = kCosine;
  copy.name = std::string("linear");
  CHECK(copy.name == LiteralString("linear"));
  CHECK(kCosine.name.view() == "cosine");
}

}  // namespace
}  // namespace posttrain
