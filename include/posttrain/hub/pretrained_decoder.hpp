// SPDX-License-Identifier: Apache-2.0
// A decoder with its Hugging Face folder, or its GGUF file: configuration, weights, tokenizer and
// chat template in, and a Hugging Face folder out after training.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/io/gguf_type.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::io {
class Checkpoint;
class GgufModel;
struct PretrainedContent;
}  // namespace posttrain::io

namespace posttrain::hub {

class PretrainedDecoder : public models::Decoder {
 public:
  /// Opens a checkpoint folder, a GGUF file (".gguf"; any part of a split one), or a model of the
  /// local Hugging Face cache by its name ("org/name"; io/hub_cache.hpp), and compares the names
  /// and shapes of its tensors with the configuration. Weights are read when a parameter policy
  /// attaches.
  explicit PretrainedDecoder(const std::string& path, models::ModelOptions options = {});

  /// A folder without weights (config.json, tokenizer): they are drawn at random from options.seed.
  static PretrainedDecoder from_scratch(const std::string& path, models::ModelOptions options = {});

  /// The folder's tokenizer and chat template; null if it has no tokenizer.json.
  const text::ChatTokenizer* text() const { return text_.get(); }
  /// What was opened: the folder or the file; of a name, its folder in the cache.
  const std::string& folder() const { return path_; }
  /// Whether the weights are drawn at random, and only the rest is the folder's.
  bool drawn() const { return weights_ == nullptr; }
  /// The file that a tensor of the model lies in, by the name that `layout()` gives it; empty for
  /// weights that were drawn.
  std::string file_of(const std::string& name) const;

  /// Hash of what was opened: config.json and every stored tensor (or the seed that they are drawn
  /// from). Reads all weight files.
  ContentHash content() const;

  /// Throws if the weight files hold a tensor that no one loaded (hub/decoder_weights.hpp).
  void check_all_loaded() const;

  /// Writes a folder that transformers loads: weights in the compute dtype unless `dtype` says
  /// otherwise, config, tokenizer files, chat template and the full set of end-of-sequence ids.
  /// An existing `folder` is replaced in one step. Matrices in bitsandbytes' 4-bit layout
  /// (`ModelWeights::packed_weights`) keep their types, and config.json says so. A tied head that
  /// comes with a matrix of its own is no longer tied there. `card` is the README.md (`save` of a
  /// Trainer has one); one that is there and not ours is kept.
  void save(const std::string& folder, const std::vector<NamedTensor>& weights,
            std::optional<at::ScalarType> dtype = std::nullopt,
            const io::ModelCard& card = {}) const;

  /// Writes a GGUF file that llama.cpp loads: matrices in `type`, vectors in F32, with metadata,
  /// tokenizer and templates. Without a type, a matrix of a GGUF file that training left as it was
  /// keeps its bytes, one that changed is written with at least 8 bits (Q8_0); a model from a
  /// folder is written in the compute dtype. The head, and an embedding that is the head, has at
  /// least 8 bits; rows that are no whole blocks become F16. Throws, and writes nothing, where GGUF
  /// has no word for something of the model, and where `type` would undo what was trained: the
  /// weights of a file of 4 bits lie on a grid, and rounding to it again undoes changes below half
  /// its step.
  void save_gguf(const std::string& path, const std::vector<NamedTensor>& weights,
                 std::optional<io::GgufType> type = std::nullopt) const;
  /// Throws what `save_gguf` would throw of the file and of the model, before there is anything to
  /// save.
  void check_save_gguf(const std::string& path,
                       std::optional<io::GgufType> type = std::nullopt) const;

  /// Throws what `save` would throw of the folder, before there is anything to save.
  void check_save(const std::string& folder) const;

 protected:
  struct Opened {
    std::string path;         // of the folder or the file
    std::string config_text;  // of config.json
    models::DecoderConfig config;
    std::shared_ptr<io::Checkpoint> weights;  // null: they are drawn at random
    models::WeightLoader loader;
    models::PackedLoader packed_loader;
    text::ChatFiles files;
    std::shared_ptr<const io::GgufModel> gguf;  // null: a folder
  };
  static Opened open(const std::string& path, models::HeadKind head, bool with_weights);

  PretrainedDecoder(models::ModelOptions options, Opened opened);

  /// The config.json that `save` starts from.
  std::string config_text_;

 private:
  class GgufSaver;

  /// Matrices that are saved in 4 bits.
  struct PackedNames {
    std::set<std::string, std::less<>> names{};
    bool twice = false;  // their scales are quantised too
  };
  std::string config_json(at::ScalarType stored, const PackedNames& packed, bool untied) const;

  /// What a folder that is saved holds besides weights and config.json.
  io::PretrainedContent content_to_save() const;
  text::ChatFiles chat_files() const;
  std::string generation_config() const;

  std::string path_;
  std::shared_ptr<const io::GgufModel> gguf_;  // null: a folder
  std::optional<text::ChatFiles> gguf_files_;  // nothing: the folder's own
  std::shared_ptr<io::Checkpoint> weights_;
  std::shared_ptr<text::ChatTokenizer> text_;
};

}  // namespace posttrain::hub

#ifndef POSTTRAIN_COMPILED
#include "posttrain/hub/impl/pretrained_decoder.ipp"
#include "posttrain/hub/impl/save_gguf.ipp"
#endif
