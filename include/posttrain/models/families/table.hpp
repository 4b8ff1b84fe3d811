// SPDX-License-Identifier: Apache-2.0
// All families, in the order in which messages name them. A new one is a header that defines a
// `Family` and its line here.
#pragma once

#include <array>

#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/gemma.hpp"
#include "posttrain/models/families/gpt2.hpp"
#include "posttrain/models/families/granite.hpp"
#include "posttrain/models/families/llama.hpp"
#include "posttrain/models/families/mistral.hpp"
#include "posttrain/models/families/phi3.hpp"
#include "posttrain/models/families/qwen.hpp"
#include "posttrain/models/families/smollm.hpp"

namespace posttrain::models::detail {

inline constexpr std::array kFamilies = {
    kLlama,       // 2, 3, SmolLM2
    kMistral,     //
    kQwen2,       // 2, 2.5
    kQwen3,       //
    kSmolLm3,     //
    kGranite,     // 3
    kPhi3,        // 3, 3.5
    kGemma2,      //
    kGemma3Text,  // without its images
    kGpt2,        //
};

}  // namespace posttrain::models::detail
