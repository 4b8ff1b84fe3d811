// SPDX-License-Identifier: Apache-2.0
// A GGUF file read and written, for comparison with gguf-py:
//   probe_gguf IN.gguf OUT.safetensors OUT.gguf [TYPE]
// The first output has every tensor dequantised to fp32, the second the same metadata and tensors
// as the input, quantised to TYPE if one is named. An error is one line and status 1.
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "posttrain/base/error_text.hpp"
#include "posttrain/io/gguf.hpp"
#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/io/safetensors_writer.hpp"
#include "posttrain/storage/gguf_codec.hpp"

namespace {

using namespace posttrain;

/// The type of this name; of an empty one, `otherwise`.
io::GgufType named(std::string_view name, io::GgufType otherwise) {
  if (name.empty()) return otherwise;
  for (const io::GgufTypeInfo& info : io::kGgufTypes) {
    if (info.name == name) return info.type;
  }
  raise("no such type: {}", name);
}

void run(const char* in, const char* dense, const char* again, const char* type) {
  const io::GgufModel model(in);
  std::vector<io::TensorInfo> infos;
  std::vector<io::GgufTensorInfo> declared;
  for (const auto& [name, entry] : model.tensors()) {
    infos.push_back({name, io::Dtype::kF32, entry.tensor->shape});
    declared.push_back({name, named(type, entry.tensor->type), entry.tensor->shape});
  }
  io::SafetensorsWriter values(dense, infos);
  io::GgufMetadata metadata;
  for (const auto& [key, value] : model.metadata()) {
    if (key != "general.alignment" && !key.starts_with("split.")) metadata.copy(key, value);
  }
  io::GgufWriter copy(again, metadata, declared);
  for (const auto& [name, entry] : model.tensors()) {
    std::size_t count = 1;
    for (const std::int64_t size : entry.tensor->shape) count *= static_cast<std::size_t>(size);
    std::vector<float> out(count);
    dequantize_gguf(entry.tensor->type, entry.tensor->bytes, out);
    values.write(name, std::as_bytes(std::span(out)));
    if (*type == '\0') {
      copy.write(name, entry.tensor->bytes);
    } else {
      const io::GgufTensorInfo info{name, named(type, io::GgufType::kF32), entry.tensor->shape};
      std::vector<std::byte> bytes(info.bytes());
      quantize_gguf(info.type, out, bytes);
      copy.write(name, bytes);
    }
    entry.file->release(*entry.tensor);
  }
  values.finish();
  copy.finish();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4 && argc != 5) {
      posttrain::fail("usage: probe_gguf IN.gguf OUT.safetensors OUT.gguf [TYPE]");
    }
    run(argv[1], argv[2], argv[3], argc == 5 ? argv[4] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
