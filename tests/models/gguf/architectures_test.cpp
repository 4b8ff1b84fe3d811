// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/gguf/architectures.hpp"

#include "posttrain/models/families/parse.hpp"
#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("every architecture of GGUF is a family that is read", "[models]") {
  for (const models::GgufArchitecture& known : models::kGgufArchitectures) {
    INFO(known.name);
    const std::string config = fmt::format(R"({{"model_type": "{}"}})", known.model_type);
    CHECK(models::parse_config(config).model_type == known.model_type);
  }
}
