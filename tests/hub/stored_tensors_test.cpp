// SPDX-License-Identifier: Apache-2.0
#include "posttrain/hub/stored_tensors.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::TempFolder;

TEST_CASE("the tensors of a folder's files by name", "[hub]") {
  const TempFolder scratch;
  const Tensor a = at::arange(6, at::kFloat).view({2, 3}), b = at::ones({4}, at::kHalf);
  io::save_tensors(scratch / "model.safetensors", {{"a", a}, {"same", a}, {"b", b}});
  const io::FolderTensors tensors(scratch.path());
  REQUIRE(tensors.entries().size() == 3);
  CHECK(tensors.entries().at("a").shape == std::vector<std::int64_t>{2, 3});
  CHECK(tensors.entries().at("b").dtype == io::Dtype::kF16);
  CHECK(at::equal(tensors.load("a"), a));
  CHECK(tensors.file("b") == (scratch / "model.safetensors").string());
  CHECK(tensors.same_content("a", "same"));
  CHECK_FALSE(tensors.same_content("a", "b"));
  const auto hash = [&](const char* name) {
    ContentHash content;
    tensors.add_content(content, name);
    return content.text();
  };
  CHECK(hash("a") == hash("a"));
  CHECK(hash("a") != hash("same"));  // names count
}
