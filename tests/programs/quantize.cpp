// SPDX-License-Identifier: Apache-2.0
// Quantises the matrices of a safetensors file: quantize --input FILE --output FILE
// Every input X gives X.nf4.{codes,absmax,float32,bfloat16}, X.nested.{codes,absmax,nested_absmax,
// offset,float32,bfloat16} and X.int8.{codes,absmax,float32,bfloat16}.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Quantises the matrices of a safetensors file");
  std::string input, output;
  std::int64_t blocksize_4bit = 64, blocksize_8bit = 256;
  app.add_option("--input", input)->required();
  app.add_option("--output", output)->required();
  app.add_option("--blocksize-4bit", blocksize_4bit);
  app.add_option("--blocksize-8bit", blocksize_8bit);
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<std::pair<std::string, Tensor>> results;
    const auto values = [&](const std::string& name, const auto& matrix, const Tensor& like) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const Tensor out = at::empty(like.sizes(), type);
        matrix.write(out);
        results.emplace_back(name + (type == at::kFloat ? ".float32" : ".bfloat16"), out);
      }
    };
    for (const auto& [name, w] : io::load_tensors(input)) {
      for (const bool nested : {false, true}) {
        const Nf4 storage{.double_quant = nested, .blocksize = blocksize_4bit};
        storage.validate();
        const Nf4Matrix matrix = storage.store(w);
        const std::string prefix = name + (nested ? ".nested" : ".nf4");
        results.emplace_back(prefix + ".codes", matrix.codes);
        results.emplace_back(prefix + ".absmax", matrix.absmax);
        if (nested) {
          results.emplace_back(prefix + ".nested_absmax", matrix.nested_absmax);
          results.emplace_back(prefix + ".offset", at::scalar_tensor(matrix.offset, at::kFloat));
        }
        values(prefix, matrix, w);
      }
      const Int8 storage{.blocksize = blocksize_8bit};
      storage.validate();
      const Int8Matrix matrix = storage.store(w);
      results.emplace_back(name + ".int8.codes", matrix.quantized.codes);
      results.emplace_back(name + ".int8.absmax", matrix.quantized.absmax);
      values(name + ".int8", matrix, w);
    }
    results.emplace_back("dynamic_map.signed", dynamic_map(true));
    results.emplace_back("dynamic_map.unsigned", dynamic_map(false));
    io::save_tensors(output, results);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
