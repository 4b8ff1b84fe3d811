// SPDX-License-Identifier: Apache-2.0
// Definitions of pretrained_decoder.hpp: part of it, or of the compiled library
// (base/compiled.hpp).
#pragma once

#include <map>
#include <system_error>

#include "posttrain/base/compiled.hpp"
#include "posttrain/hub/decoder_weights.hpp"
#include "posttrain/hub/gguf_tensors.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/hub/save_pretrained.hpp"
#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/hub_cache.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/models/gguf/config.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/text/chat_folder.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/gguf/chat_files.hpp"

namespace posttrain::hub {

/// Ends the name of a matrix that is stored in 4 bits (storage/bitsandbytes.hpp).
inline constexpr std::string_view kPackedMark = ".quant_state.bitsandbytes__nf4";

POSTTRAIN_INLINE PretrainedDecoder::PretrainedDecoder(const std::string& path,
                                                      models::ModelOptions options)
    : PretrainedDecoder(options, open(path, models::HeadKind::kTokens, /*with_weights=*/true)) {}

POSTTRAIN_INLINE PretrainedDecoder PretrainedDecoder::from_scratch(const std::string& path,
                                                                   models::ModelOptions options) {
  return PretrainedDecoder(options, open(path, models::HeadKind::kTokens, /*with_weights=*/false));
}

POSTTRAIN_INLINE void PretrainedDecoder::check_all_loaded() const {
  if (weights_) models::check_all_loaded(*weights_, config());
}

POSTTRAIN_INLINE ContentHash PretrainedDecoder::content() const {
  ContentHash hash;
  hash.add(config_text_);
  if (weights_) {
    weights_->add_content(hash);
  } else {
    hash.add(options().seed);
  }
  return hash;
}

POSTTRAIN_INLINE text::ChatFiles PretrainedDecoder::chat_files() const {
  return gguf_files_ ? *gguf_files_ : text::read_chat_files(path_);
}

POSTTRAIN_INLINE void PretrainedDecoder::check_save(const std::string& folder) const {
  io::check_save_pretrained(folder, content_to_save());
}

POSTTRAIN_INLINE std::string PretrainedDecoder::file_of(const std::string& name) const {
  if (!weights_) return "";
  const std::string stored = models::stored_name(*weights_, name, config().tied);
  return weights_->has(stored) ? weights_->file(stored) : "";
}

POSTTRAIN_INLINE void PretrainedDecoder::save(const std::string& folder,
                                              const std::vector<NamedTensor>& weights,
                                              std::optional<at::ScalarType> dtype,
                                              const io::ModelCard& card) const {
  const at::ScalarType stored = dtype.value_or(this->dtype());
  std::vector<io::TensorInfo> entries;
  std::map<std::string, Tensor, std::less<>> by_name;
  PackedNames packed;
  for (const NamedTensor& weight : weights) {
    const std::size_t end = weight.name.find(kPackedMark);
    if (end != std::string::npos) packed.names.insert(weight.name.substr(0, end));
    packed.twice |= weight.name.ends_with(".nested_absmax");
  }
  const auto part_of_packed = [&](std::string_view name) {
    const std::size_t end = name.find(".weight");
    return end != std::string_view::npos && packed.names.contains(name.substr(0, end + 7));
  };
  for (const NamedTensor& weight : weights) {
    io::TensorInfo info = io::tensor_info(weight.name, weight.value);
    if (!part_of_packed(weight.name)) info.dtype = io::dtype_of(stored);
    entries.push_back(std::move(info));
    by_name[weight.name] = weight.value;
  }
  io::PretrainedContent content = content_to_save();
  content.card = card;
  content.card.library_name = "transformers";
  content.card.base_model_relation = "finetune";
  content.config_json = config_json(stored, packed, [&] {
    // An adapter was merged into one of two tensors that were one.
    const SiteSpec& head = layout().sites.back();
    return head.shares >= 0 && by_name.contains(head.parts[0].name + ".weight");
  }());
  io::save_pretrained(folder, content, entries,
                      [&](const io::TensorInfo& info) { return by_name.at(info.name); });
}

POSTTRAIN_INLINE io::PretrainedContent PretrainedDecoder::content_to_save() const {
  io::PretrainedContent content;
  content.generation_config_json = generation_config();
  if (!gguf_files_) {
    content.tokenizer_from = path_;
    return content;
  }
  const auto add = [&](std::string name, const std::string& text) {
    if (!text.empty()) content.texts.emplace_back(std::move(name), text);
  };
  add("tokenizer.json", gguf_files_->tokenizer);
  add("tokenizer_config.json", gguf_files_->tokenizer_config);
  add("chat_template.jinja", gguf_files_->chat_template);
  for (const auto& [name, text] : gguf_files_->additional_templates) {
    add(fmt::format("{}/{}.jinja", io::kTemplateFolder, name), text);
  }
  return content;
}

namespace detail {

/// Whether a path is that of a GGUF file, by its name: a folder may have any.
inline bool is_gguf(const io::fs::path& path) {
  std::error_code ignored;
  return path.extension() == ".gguf" && !io::fs::is_directory(path, ignored);
}

}  // namespace detail

POSTTRAIN_INLINE PretrainedDecoder::Opened PretrainedDecoder::open(const std::string& path,
                                                                   models::HeadKind head,
                                                                   bool with_weights) {
  Opened opened;
  opened.path = io::find_model(path).string();
  const std::string& folder = opened.path;
  if (detail::is_gguf(folder)) {
    const auto model = std::make_shared<const io::GgufModel>(folder);
    opened.gguf = model;
    opened.config_text = models::gguf_config(*model);
    opened.config = models::parse_config(opened.config_text, head, folder);
    opened.files = text::gguf_chat_files(*model);
    opened.files.config = opened.config_text;
    if (with_weights) {
      opened.weights = std::make_shared<io::Checkpoint>(
          folder,
          std::make_unique<GgufTensors>(
              model, models::parse_config(opened.config_text, models::HeadKind::kTokens, folder)),
          io::Checkpoint::Texts{{"config.json", opened.config_text}});
      models::check_shapes(*opened.weights, opened.config);
      opened.loader = models::weight_loader(opened.weights, opened.config.tied);
      opened.packed_loader = models::packed_loader(opened.weights, opened.config.tied);
    }
    return opened;
  }
  if (with_weights) {
    opened.weights = std::make_shared<io::Checkpoint>(folder);
  }
  io::check_folder(folder, io::FolderOf::model, "config.json");
  const io::fs::path config = io::fs::path(folder) / "config.json";
  opened.config_text = io::read_text_file(config, io::kLargestJsonFile);
  opened.config = models::parse_config(opened.config_text, head, config.string());
  if (with_weights) {
    models::check_shapes(*opened.weights, opened.config);
    models::check_tied_head(*opened.weights, opened.config);
    opened.loader = models::weight_loader(opened.weights, opened.config.tied);
    opened.packed_loader = models::packed_loader(opened.weights, opened.config.tied);
  }
  opened.files = text::read_chat_files(folder);
  return opened;
}

POSTTRAIN_INLINE PretrainedDecoder::PretrainedDecoder(models::ModelOptions options, Opened opened)
    : Decoder(std::move(opened.config), options, std::move(opened.loader),
              std::move(opened.packed_loader)),
      config_text_(std::move(opened.config_text)),
      path_(std::move(opened.path)),
      gguf_(std::move(opened.gguf)),
      weights_(std::move(opened.weights)) {
  if (!opened.files.tokenizer.empty()) text_ = std::make_shared<text::ChatTokenizer>(opened.files);
  if (gguf_) gguf_files_ = std::move(opened.files);
  generation_config();  // a file that cannot be saved again is found now, not after training
}

POSTTRAIN_INLINE std::string PretrainedDecoder::config_json(at::ScalarType stored,
                                                            const PackedNames& packed,
                                                            bool untied) const {
  auto config = io::parse_json(config_text_, "config.json");
  const char* name = stored == at::kBFloat16 ? "bfloat16"
                     : stored == at::kHalf   ? "float16"
                     : stored == at::kDouble ? "float64"
                                             : "float32";
  config[config.contains("torch_dtype") ? "torch_dtype" : "dtype"] = name;
  if (untied) config["tie_word_embeddings"] = false;
  config.erase("quantization_config");
  if (!packed.names.empty()) {
    // Projections that are not in 4 bits, the head first of all.
    std::vector<std::string> dense{"lm_head"};
    for (const SiteSpec& site : layout().sites) {
      for (const MatrixSpec& part : site.parts) {
        if (part.name != "lm_head" && !packed.names.contains(part.name + ".weight")) {
          dense.push_back(part.name);
        }
      }
    }
    config["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                     {"load_in_4bit", true},
                                     {"load_in_8bit", false},
                                     {"bnb_4bit_quant_type", "nf4"},
                                     {"bnb_4bit_use_double_quant", packed.twice},
                                     {"bnb_4bit_compute_dtype", name},
                                     {"bnb_4bit_quant_storage", "uint8"},
                                     {"llm_int8_skip_modules", dense}};
  }
  return config.dump(2) + "\n";
}

POSTTRAIN_INLINE std::string PretrainedDecoder::generation_config() const {
  const io::fs::path path = io::fs::path(path_) / "generation_config.json";
  std::optional<std::string> original;
  if (!gguf_files_) {
    original = io::read_text_file_if_exists(path, io::kLargestJsonFile);
  } else if (!gguf_files_->generation_config.empty()) {
    original = gguf_files_->generation_config;
  }
  auto config =
      original ? io::parse_json(*original, path.string()) : Json{{"_from_model_config", true}};
  io::object_from(config, path.string(), "the file");
  if (text_) {
    const auto& ids = text_->eos_ids();
    if (ids.size() == 1) config["eos_token_id"] = *ids.begin();
    if (ids.size() > 1) config["eos_token_id"] = std::vector<TokenId>(ids.begin(), ids.end());
  }
  return config.dump(2) + "\n";
}

}  // namespace posttrain::hub
