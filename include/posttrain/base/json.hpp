// SPDX-License-Identifier: Apache-2.0
// The library's JSON value, declared: objects keep the order of their keys, as Python's do, so that
// a chat template prints what a sample holds and a file is written as it was read.
//
// io/json.hpp reads it. A key is found by looking at each, so what has to be looked up among a
// hundred thousand, the vocabulary of a tokenizer.json, is read as nlohmann::json instead.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace posttrain {

using Json = nlohmann::ordered_json;

/// How deep the brackets of a text may nest: what walks its value later may recurse.
inline constexpr int kMaxJsonDepth = 500;

/// The subtype of nlohmann's `binary` under which the digits of an integer beyond 64 bits are kept:
/// no reader takes it for a number, and a message can show it.
inline constexpr std::uint8_t kWideInteger = 1;

}  // namespace posttrain
