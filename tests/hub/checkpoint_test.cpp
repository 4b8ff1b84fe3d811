// SPDX-License-Identifier: Apache-2.0
#include "posttrain/hub/checkpoint.hpp"

#include "support/catch.hpp"
#include "support/folders.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::test;
using posttrain::io::Checkpoint;

TEST_CASE("missing, mis-shaped and unexpected keys are errors that name them [C23]", "[C23]") {
  const TempFolder scratch;
  save_folder(scratch / "out", {.config_json = "{}"}, some_tensors());
  Checkpoint folder(scratch / "out");
  CHECK(contains(error_of([&] { folder.load("lm_head.weight"); }),
                 "missing key 'lm_head.weight' (the folder has 3 keys, the first is 'a.weight')"));
  const std::vector<std::int64_t> wrong{3, 2};
  const std::string error = error_of([&] { folder.load("b.weight", wrong); });
  CHECK(contains(error, "model.safetensors: key 'b.weight': expected shape [3, 2], found [2, 3]"));
  folder.load("a.weight");
  CHECK(contains(error_of([&] { folder.check_all_used(); }),
                 "2 unexpected keys: b.weight, c.weight"));
  const auto ignore = [](std::string_view name) { return name == "b.weight"; };
  CHECK(contains(error_of([&] { folder.check_all_used(ignore); }), "1 unexpected key: c.weight"));
  folder.mark_used("c.weight");
  folder.check_all_used(ignore);
}

TEST_CASE("a real checkpoint opens") {
  POSTTRAIN_SHARED_OR_SKIP(path, "data/models/stories260K");
  Checkpoint folder(path);
  CHECK(contains(folder.config_text(), "\"llama\""));
  CHECK(folder.read_text("tokenizer.json").has_value());
  for (const std::string& name : folder.names()) {
    CHECK(folder.load(name).sizes() == at::IntArrayRef(folder.shape(name)));
  }
  folder.check_all_used();
}
