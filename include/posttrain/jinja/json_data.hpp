// SPDX-License-Identifier: Apache-2.0
// JSON as conversations and templates have it: objects keep the order of their keys, as Python's
// do.
//
// A tokenizer.json is read as nlohmann::json instead, which finds a key among a hundred thousand.
#pragma once

#include <nlohmann/json.hpp>

namespace posttrain::text {

using Json = nlohmann::ordered_json;

}  // namespace posttrain::text
