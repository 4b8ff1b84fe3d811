// SPDX-License-Identifier: Apache-2.0
// config.json to `DecoderConfig`: finds the family and hands over to its function.
//
// Dropout probabilities are accepted and have no effect (the library trains without model dropout,
// as TRL's disable_dropout does; GPT-2 files carry 0.1 from pre-training).
#pragma once

#include <string>
#include <string_view>

#include "posttrain/models/config.hpp"

namespace posttrain::models {

/// Reads the text of a config.json. Throws `Error` for an unknown architecture, for a key that
/// would change the mathematics and is not understood, and for inconsistent sizes. Absent keys
/// have the defaults of the family's class in transformers. `HeadKind::kReward` takes causal
/// language models and classifiers of one label, and gives the configuration of a reward model.
/// `where`: the file's path, for messages.
DecoderConfig parse_config(std::string_view config_json, HeadKind head = HeadKind::kTokens,
                           const std::string& where = "config.json");

/// The class of a family's reward model in transformers, "LlamaForSequenceClassification".
std::string reward_architecture(std::string_view model_type);

}  // namespace posttrain::models

#ifndef POSTTRAIN_COMPILED
#include "posttrain/models/families/impl/parse.ipp"
#endif
