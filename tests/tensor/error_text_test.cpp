// SPDX-License-Identifier: Apache-2.0
// The messages of LibTorch itself (base/error_text.hpp knows their form, not their type).
#include "posttrain/base/error_text.hpp"

#include <cstdint>
#include <exception>
#include <string>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using posttrain::error_text;

namespace {

template <class Action>
std::string text_of(Action&& action) {
  try {
    action();
  } catch (const std::exception& error) {
    CHECK(std::string(error.what()).find("frame #") != std::string::npos);  // else nothing is shown
    return error_text(error);
  }
  return "";
}

}  // namespace

TEST_CASE("a message of LibTorch is one line without frames") {
  const std::string scalar = text_of([] { at::zeros({}).size(0); });
  CHECK(scalar.find("Dimension specified as 0 but tensor has no dimensions") != scalar.npos);
  const std::string shapes = text_of([] { at::zeros({2, 3}).matmul(at::zeros({2, 3})); });
  CHECK(shapes.find("2x3") != shapes.npos);
  for (const std::string& text : {scalar, shapes}) {
    CHECK(text.find("frame #") == text.npos);
    CHECK(text.find("Exception raised") == text.npos);
    CHECK(text.find('\n') == text.npos);
    CHECK(text.size() < 300);
  }
}

TEST_CASE("a tensor that no memory holds is told with its size") {
  const std::string text = text_of([] { at::zeros({std::int64_t{1} << 46}); });
  CHECK(
      text.starts_with("out of memory: wanted 281474976710656 bytes; hint: a smaller "
                       "max_tokens_per_batch"));
}
