// SPDX-License-Identifier: Apache-2.0
// `save_gguf` of pretrained_decoder.hpp: part of it, or of the compiled library
// (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/hub/decoder_weights.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/models/gguf/config.hpp"
#include "posttrain/models/gguf/head_rows.hpp"
#include "posttrain/models/gguf/metadata.hpp"
#include "posttrain/models/gguf/tensors.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/text/chat_folder.hpp"
#include "posttrain/text/gguf/chat_files.hpp"
#include "posttrain/text/gguf/metadata.hpp"

namespace posttrain::hub {

namespace detail {

inline io::GgufType type_of(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? io::GgufType::kBF16
         : dtype == at::kHalf   ? io::GgufType::kF16
                                : io::GgufType::kF32;
}

/// llama.cpp's number for a file whose matrices are mostly of this type (llama_ftype).
inline std::uint32_t file_type(io::GgufType type) {
  switch (type) {
    case io::GgufType::kF32:
      return 0;
    case io::GgufType::kQ4_0:
      return 2;
    case io::GgufType::kQ4_1:
      return 3;
    case io::GgufType::kQ8_0:
      return 7;
    case io::GgufType::kQ5_0:
      return 8;
    case io::GgufType::kQ5_1:
      return 9;
    case io::GgufType::kBF16:
      return 32;
    default:
      return 1;
  }
}

inline std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()),
          static_cast<std::size_t>(tensor.nbytes())};
}

/// A tensor to be written: its form in the file, and its source.
struct GgufOutput {
  models::GgufPlace place;
  io::GgufType type = io::GgufType::kF32;
  const NamedTensor* weight = nullptr;
  std::string stored{};  // by which name the opened file has it in blocks; empty: it has not
  bool kept = false;     // with the bytes of the opened file
};

/// How much of what training changed is left in blocks: (Q(w) − w₀)·(w − w₀) over |w − w₀|².
/// Weights of 4 bits lie on a grid, and rounding to it again undoes a change below half its step.
class LeftOfTraining {
 public:
  /// `before`, `after`, `written`: values of one tensor.
  void add(const Tensor& before, const Tensor& after, const Tensor& written) {
    const Tensor change = (after - before).flatten();
    left_ += (written - before).flatten().dot(change).item<double>();
    all_ += change.dot(change).item<double>();
  }
  void check(const std::string& path, io::GgufType type) const {
    if (left_ >= 0.5 * all_) return;
    raise(
        "{}: of what training changed, {:.0f} % would be left in {}: its steps are larger than the "
        "changes, and the weights come from a grid of such steps; hint: at least Q8_0, no type, or "
        "the adapter alone (params/lora/gguf.hpp)",
        path, std::max(0.0, 100.0 * left_ / all_), io::gguf_type_info(type).name);
  }

 private:
  double left_ = 0.0, all_ = 0.0;
};

/// The values in the file's order of rows, in fp32.
inline Tensor file_values(const models::GgufPlace& place, const Tensor& weight) {
  Tensor values = weight.detach().to(at::kCPU, at::kFloat);
  if (place.transposed) values = values.t();
  if (place.plus_one) values = values + 1;
  return values.contiguous();
}

/// The bytes of a tensor, unpaired still: uint8 [rows, bytes of a row].
inline Tensor quantized(const GgufOutput& output) {
  const Tensor values = file_values(output.place, output.weight->value);
  const io::GgufTypeInfo& info = io::gguf_type_info(output.type);
  const std::int64_t columns = values.dim() > 1 ? values.size(1) : 1;
  Tensor bytes = at::empty({values.size(0), columns / info.block * info.bytes}, at::kByte);
  quantize_gguf(output.type, values,
                {static_cast<std::byte*>(bytes.mutable_data_ptr()),
                 static_cast<std::size_t>(bytes.nbytes())});
  return bytes;
}

}  // namespace detail

/// Writes one file.
class PretrainedDecoder::GgufSaver {
 public:
  GgufSaver(const PretrainedDecoder& model, std::string path, std::optional<io::GgufType> type)
      : model_(model), path_(std::move(path)), type_(type), files_(model.chat_files()) {
    if (type_ && !is_quantizable_gguf(*type_)) {
      raise(
          "{}: type {} is read, not written; hint: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0",
          path_, io::gguf_type_info(*type_).name);
    }
  }

  void save(const std::vector<NamedTensor>& weights) {
    const SiteSpec& head = model_.layout().sites.back();
    const std::string head_name = head.parts[0].name + ".weight";
    // An adapter was merged into one of two tensors that were one.
    const bool untied = std::ranges::any_of(
        weights, [&](const NamedTensor& weight) { return weight.name == head_name; });
    config_.tied = config_.tied && !untied;
    const std::string table =
        config_.tied ? model_.layout().tables[static_cast<std::size_t>(head.shares)].name : "";
    for (const NamedTensor& weight : weights) {
      plan(weight, weight.name == head_name || weight.name == table);
    }
    begin();
    for (const detail::GgufOutput& output : outputs_) write(output);
    if (type_) left_.check(path_, *type_);
    writer_->finish();
  }

  /// Begins the file of a model without weights, which then goes.
  void check() {
    const auto declare = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
      infos_.push_back({place_of(name).name, io::GgufType::kF32, shape});
    };
    const Layout& layout = model_.layout();
    for (const TableSpec& spec : layout.tables) declare(spec.name, {spec.rows, spec.columns});
    for (const SiteSpec& site : layout.sites) {
      for (const MatrixSpec& part : site.parts) {
        if (site.shares < 0) declare(part.name + ".weight", {part.rows, site.in});
        if (site.bias) declare(part.name + ".bias", {part.rows});
      }
    }
    begin();
  }

 private:
  models::GgufPlace place_of(const std::string& name) const {
    auto place = models::gguf_place(model_.config(), name);
    if (!place) raise("{}: GGUF has no place for {}", path_, name);
    return *std::move(place);
  }

  void plan(const NamedTensor& weight, bool is_head) {
    detail::GgufOutput output{place_of(weight.name), io::GgufType::kF32, &weight};
    std::vector<std::int64_t> shape = weight.value.sizes().vec();
    if (output.place.transposed) std::ranges::reverse(shape);
    if (shape.size() > 1 && output.place.name != "position_embd.weight") {
      choose_type(output, is_head, shape.back());
      values_[output.type] += weight.value.numel();
    }
    infos_.push_back({output.place.name, output.type, shape});
    outputs_.push_back(std::move(output));
  }

  void choose_type(detail::GgufOutput& output, bool is_head, std::int64_t columns) const {
    const auto block = [](io::GgufType type) { return io::gguf_type_info(type).block; };
    const io::GgufModel::Entry* old =
        model_.gguf_ ? model_.gguf_->find(output.place.name) : nullptr;
    const bool in_blocks = old != nullptr && block(old->tensor->type) > 1;
    const Tensor& value = output.weight->value;
    if (in_blocks) {
      output.stored =
          models::stored_name(*model_.weights_, output.weight->name, model_.config().tied);
    }
    if (!type_ && in_blocks) {
      output.kept = at::equal(value, model_.weights_->load(output.stored).to(value.options()));
      output.type = output.kept ? old->tensor->type : io::GgufType::kQ8_0;
    } else if (!type_) {
      output.type = old != nullptr ? old->tensor->type : detail::type_of(model_.dtype());
    } else {
      output.type = is_head && block(*type_) > 1 ? io::GgufType::kQ8_0 : *type_;
    }
    if (!output.kept && columns % block(output.type) != 0) output.type = io::GgufType::kF16;
  }

  /// Metadata and the tensors that belong to them: the opened file's own, or those of the folder.
  void add_metadata() {
    const io::GgufModel* file = model_.gguf_.get();
    if (file == nullptr) {
      for (const auto& [name, values] :
           models::add_gguf_config(metadata_, config_, model_.config_text_)) {
        factors_.emplace_back(name, at::tensor(at::ArrayRef<float>(values), at::kFloat));
      }
      metadata_.text("general.type", "model");
      metadata_.text("general.name", io::fs::absolute(model_.path_).filename().string());
      if (model_.text()) text::add_gguf_tokenizer(metadata_, files_, config_.vocab_size);
    } else {
      for (const auto& [key, value] : file->metadata()) {
        const bool of_the_file = key.starts_with("split.") || key.starts_with("quantize.") ||
                                 key == "general.alignment" || key == "general.file_type" ||
                                 key == "general.quantization_version";
        if (!of_the_file) metadata_.copy(key, value);
      }
      for (const auto& [name, entry] : file->tensors()) {
        if (!models::is_gguf_factor(name)) continue;
        factors_.emplace_back(name, at::empty(entry.tensor->shape, at::kFloat));
        dequantize_gguf(entry.tensor->type, entry.tensor->bytes, factors_.back().second);
      }
    }
    const auto most =
        std::ranges::max_element(values_, {}, [](const auto& entry) { return entry.second; });
    metadata_.u32("general.file_type",
                  detail::file_type(most == values_.end() ? io::GgufType::kF32 : most->first));
    metadata_.u32("general.quantization_version", 2);
  }

  /// The file with its metadata, which are read again before the weights take their time: what
  /// comes back must be this model.
  void begin() {
    add_metadata();
    for (const auto& [name, values] : factors_) {
      infos_.push_back({name, io::GgufType::kF32, values.sizes().vec()});
    }
    writer_.emplace(path_, metadata_, infos_);
    for (const auto& [name, values] : factors_) writer_->write(name, detail::bytes_of(values));
    if (!model_.gguf_) {
      const io::GgufModel read(writer_->unfinished());
      const std::string config = models::gguf_config(read);
      models::check_gguf_config(config_, models::parse_config(config, config_.head, path_), path_);
      if (model_.text()) text::check_gguf_tokenizer(files_, text::gguf_chat_files(read), path_);
    }
  }

  void write(const detail::GgufOutput& output) {
    io::Checkpoint* opened = model_.weights_.get();
    Tensor bytes = output.kept
                       ? unpack_gguf(output.stored, opened->load_packed(output.stored))->blocks
                       : detail::quantized(output);
    if (type_ && !output.stored.empty()) {
      const Tensor before =
          detail::file_values(output.place, opened->load(output.stored).to(model_.dtype()));
      const Tensor after = detail::file_values(output.place, output.weight->value);
      Tensor written = at::empty_like(after);
      dequantize_gguf(output.type, detail::bytes_of(bytes), written);
      left_.add(before, after, written);
    }
    if (const std::int64_t heads = output.place.paired_heads; heads > 0) {
      bytes = models::paired_rows(bytes, heads);
    }
    writer_->write(output.place.name, detail::bytes_of(bytes.contiguous()));
  }

  const PretrainedDecoder& model_;
  std::string path_;
  std::optional<io::GgufType> type_;
  text::ChatFiles files_;
  models::DecoderConfig config_ = model_.config();  // as it is written
  std::vector<detail::GgufOutput> outputs_;
  std::vector<io::GgufTensorInfo> infos_;
  std::map<io::GgufType, std::int64_t> values_;  // of matrices, by type
  io::GgufMetadata metadata_;
  std::vector<std::pair<std::string, Tensor>> factors_;  // of rotary frequencies
  std::optional<io::GgufWriter> writer_;
  detail::LeftOfTraining left_;
};

POSTTRAIN_INLINE void PretrainedDecoder::save_gguf(const std::string& path,
                                                   const std::vector<NamedTensor>& weights,
                                                   std::optional<io::GgufType> type) const {
  at::NoGradGuard no_grad;
  GgufSaver(*this, path, type).save(weights);
}

POSTTRAIN_INLINE void PretrainedDecoder::check_save_gguf(const std::string& path,
                                                         std::optional<io::GgufType> type) const {
  GgufSaver(*this, path, type).check();
}

}  // namespace posttrain::hub
