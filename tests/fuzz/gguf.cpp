// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: an error, or metadata that can be read and tensors whose values can.
#include "posttrain/io/gguf.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/storage/gguf_codec.hpp"

namespace {

/// Calls a reader that may refuse what it finds.
template <class Read>
void attempt(const Read& read) {
  try {
    read();
  } catch (const posttrain::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/tmp/posttrain-fuzz-gguf-" + std::to_string(::getpid());
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0 || ::write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
  ::close(file);
  attempt([&] {
    const posttrain::io::GgufModel model(path);
    for (const auto& entry : model.metadata()) {
      const std::string& key = entry.first;
      attempt([&] { model.integer(key); });
      attempt([&] { model.number(key); });
      attempt([&] { model.boolean(key); });
      attempt([&] { model.text(key); });
      attempt([&] { model.integers(key); });
      attempt([&] { model.numbers(key); });
      attempt([&] {
        std::size_t bytes = 0;
        for (const std::string_view text : model.texts(key)) bytes += std::string(text).size();
        if (bytes > size) std::abort();
      });
    }
    for (const auto& [name, entry] : model.tensors()) {
      const auto& info = posttrain::io::gguf_type_info(entry.tensor->type);
      std::vector<float> out(entry.tensor->bytes.size() / static_cast<std::size_t>(info.bytes) *
                             static_cast<std::size_t>(info.block));
      posttrain::dequantize_gguf(entry.tensor->type, entry.tensor->bytes, out);
    }
  });
  ::unlink(path.c_str());
  return 0;
}
