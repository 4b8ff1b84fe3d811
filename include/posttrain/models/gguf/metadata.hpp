// SPDX-License-Identifier: Apache-2.0
// A model's configuration as the metadata of a GGUF file: models/gguf/config.hpp the other way.
//
// What GGUF has no word for (a window in a Llama, dynamic rotary scaling, another activation) would
// come back as something else. So who writes a file reads its metadata again and compares:
// `check_gguf_config`.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/models/config.hpp"

namespace posttrain::models {

/// Tensors of fp32 numbers that belong to the metadata: factors that divide rotary frequencies.
using GgufFactors = std::vector<std::pair<std::string, std::vector<float>>>;

/// llama.cpp's name of a model type ("gemma3" for "gemma3_text"). Throws where it has none.
std::string_view gguf_architecture(std::string_view model_type);

/// Adds `general.architecture` and what describes the architecture. `config_text`: the config.json
/// that `config` was read from.
GgufFactors add_gguf_config(io::GgufMetadata& metadata, const DecoderConfig& config,
                            std::string_view config_text);

/// Throws unless both configurations compute the same, with the first field that differs. `where`:
/// the file, for the message.
void check_gguf_config(const DecoderConfig& expected, const DecoderConfig& found,
                       const std::string& where);

}  // namespace posttrain::models

#ifndef POSTTRAIN_COMPILED
#include "posttrain/models/gguf/impl/metadata.ipp"
#endif
