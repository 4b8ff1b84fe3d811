// SPDX-License-Identifier: Apache-2.0
// The library's JSON value, declared: objects keep the order of their keys, as Python's do, so that
// a chat template prints what a sample holds and a file is written as it was read.
//
// io/json.hpp reads it. A key is found by looking at each, so objects of a hundred thousand keys
// are read otherwise: the vocabularies of a tokenizer.json as nlohmann::json, tensors of a file by
// `io::json_entries`.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace posttrain {

using Json = nlohmann::ordered_json;

}  // namespace posttrain
