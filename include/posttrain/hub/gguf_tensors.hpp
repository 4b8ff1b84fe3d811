// SPDX-License-Identifier: Apache-2.0
// The tensors of a GGUF model as transformers has them: under its names, in its order of rows, in
// fp32 unless they are stored in fp16 or bf16, one dequantised at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "posttrain/hub/stored_tensors.hpp"
#include "posttrain/io/gguf.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/gguf/tensors.hpp"

namespace posttrain::hub {

class GgufTensors final : public io::StoredTensors {
 public:
  /// `config`: of `models::gguf_config`. A tensor of the file that the model has no name for keeps
  /// its own, so that it is told as one that nobody loads.
  GgufTensors(std::shared_ptr<const io::GgufModel> model, const models::DecoderConfig& config);

  Tensor load(std::string_view name) const override;
  PackedTensors load_packed(std::string_view name) const override;
  const std::string& file(std::string_view name) const override {
    return at(name).entry.file->path();
  }
  bool same_content(std::string_view a, std::string_view b) const override;
  void add_content(ContentHash& hash, std::string_view name) const override;

 private:
  struct Place {
    io::GgufModel::Entry entry;
    models::GgufPlace how{};
  };

  void add(const std::string& name, const models::GgufPlace& how);
  const Place& at(std::string_view name) const { return places_.find(name)->second; }

  std::shared_ptr<const io::GgufModel> model_;
  std::map<std::string, Place, std::less<>> places_;
};

}  // namespace posttrain::hub

#ifndef POSTTRAIN_COMPILED
#include "posttrain/hub/impl/gguf_tensors.ipp"
#endif
