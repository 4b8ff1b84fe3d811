// SPDX-License-Identifier: Apache-2.0
// Definitions of gguf.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/models/gguf/head_rows.hpp"
#include "posttrain/models/gguf/metadata.hpp"
#include "posttrain/models/gguf/tensors.hpp"
#include "posttrain/params/lora/gguf.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE void write_gguf_adapter(const std::string& path,
                                         const models::DecoderConfig& config,
                                         const std::vector<AdapterTensors>& adapters) {
  at::NoGradGuard no_grad;
  std::vector<std::pair<std::string, Tensor>> tensors;
  double alpha = 0.0;
  for (const AdapterTensors& adapter : adapters) {
    const auto place = models::gguf_place(config, adapter.module + ".weight");
    if (!place) raise("{}: GGUF has no place for {}", path, adapter.module);
    Tensor a = adapter.a, b = adapter.b;
    if (adapter.a0.defined()) {
      a = at::cat({a, adapter.a0});
      b = at::cat({b, -adapter.b0}, 1);
    }
    const auto rank = static_cast<double>(a.size(0));
    if (alpha == 0.0) alpha = adapter.scale * rank;
    b = b * (adapter.scale * rank / alpha);
    if (place->paired_heads > 0) b = models::paired_rows(b, place->paired_heads);
    tensors.emplace_back(place->name + ".lora_a", adapter.table ? a.t() : a);
    tensors.emplace_back(place->name + ".lora_b", b);
  }
  io::GgufMetadata metadata;
  metadata.text("general.architecture", models::gguf_architecture(config.model_type));
  metadata.text("general.type", "adapter");
  metadata.text("adapter.type", "lora");
  metadata.f32("adapter.lora.alpha", static_cast<float>(alpha));
  std::vector<io::GgufTensorInfo> infos;
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.to(at::kCPU, at::kFloat).contiguous();
    infos.push_back({name, io::GgufType::kF32, tensor.sizes().vec()});
  }
  io::GgufWriter writer(path, metadata, infos);
  for (const auto& [name, tensor] : tensors) {
    writer.write(name, {static_cast<const std::byte*>(tensor.const_data_ptr()),
                        static_cast<std::size_t>(tensor.nbytes())});
  }
  writer.finish();
}

}  // namespace posttrain::detail
