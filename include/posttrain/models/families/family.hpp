// SPDX-License-Identifier: Apache-2.0
// One family of models: its names in transformers and the function that reads its config.json. The
// header of a family defines one; table.hpp lists them.
#pragma once

#include <string_view>

#include "posttrain/models/config.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

struct Family {
  std::string_view model_type;
  std::string_view architecture;  // its causal language model in transformers
  std::string_view base;          // its body alone (a tied checkpoint may name that)
  std::string_view reward;        // its classifier of sequences; empty: there is none
  DecoderConfig (*parse)(ConfigReader&);
};

}  // namespace posttrain::models::detail
