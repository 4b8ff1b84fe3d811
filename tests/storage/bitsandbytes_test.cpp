// SPDX-License-Identifier: Apache-2.0
#include "posttrain/storage/bitsandbytes.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/messages.hpp"
#include "support/storage.hpp"

using namespace posttrain;
using kernel_test::normal;
using posttrain::test::error_of;

namespace {

const std::string kState(kNf4StateKey);

/// The tensors of a matrix as a loader hands them out.
PackedTensors packed(const Nf4Matrix& matrix) {
  PackedTensors tensors;
  for (const NamedTensor& tensor : pack_nf4("w", matrix, at::kBFloat16)) {
    tensors[tensor.name == "w" ? "" : tensor.name.substr(2)] = tensor.value;
  }
  return tensors;
}

Tensor bytes(std::string_view text) {
  Tensor tensor = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), tensor.mutable_data_ptr<std::uint8_t>());
  return tensor;
}

std::string state_text(const PackedTensors& tensors) {
  const Tensor& state = tensors.at(kState);
  return {static_cast<const char*>(state.const_data_ptr()), state.nbytes()};
}

}  // namespace

TEST_CASE("an NF4 matrix has bitsandbytes' tensors and comes back from them bit for bit",
          "[storage]") {
  for (const bool double_quant : {true, false}) {
    const Nf4 storage{.double_quant = double_quant, .blocksize = 32};
    const Nf4Matrix matrix = storage.store(normal({7, 33}, 1, at::kFloat));
    const PackedTensors tensors = packed(matrix);
    CHECK(tensors.size() == (double_quant ? 6 : 4));
    CHECK(tensors.at("").sizes() == at::IntArrayRef({(7 * 33 + 1) / 2, 1}));
    CHECK(tensors.at("quant_map").numel() == 16);
    CHECK_THAT(state_text(tensors),
               Catch::Contains(R"("quant_type":"nf4","blocksize":32,"dtype":"bfloat16")") &&
                   Catch::Contains(R"("shape":[7,33])"));
    const Nf4Matrix back = unpack_nf4("w", tensors, at::kCPU);
    CHECK(back.nested() == double_quant);
    CHECK(back.offset == matrix.offset);
    const Tensor a = at::empty({7, 33}), b = at::empty({7, 33});
    matrix.write(a);
    back.write(b);
    CHECK(at::equal(a, b));
  }
}

TEST_CASE("damaged NF4 tensors are refused by name", "[storage]") {
  const auto error = [](const std::string& key, std::optional<Tensor> value) {
    PackedTensors tensors = packed(Nf4{}.store(normal({96, 64}, 1, at::kFloat)));
    if (value) {
      tensors[key] = *value;
    } else {
      tensors.erase(key);
    }
    return error_of([&] { unpack_nf4("w", tensors, at::kCPU); });
  };
  CHECK(error("absmax", std::nullopt) == "w: missing key 'w.absmax'");
  CHECK(error("quant_map", at::zeros({16})) == "w.quant_map: expected the values of NF4");
  CHECK_THAT(error("", at::zeros({5}, at::kByte)),
             Catch::Contains("expected 3072 elements of Byte for a matrix of [96, 64]"));
  CHECK_THAT(error(kState, bytes("{")), Catch::Contains("w." + kState + ": expected JSON"));
  CHECK_THAT(error(kState, bytes(R"({"shape": [96, 64]})")),
             Catch::Contains("expected a value under \"blocksize\", found no such key"));
  CHECK_THAT(error(kState, bytes(R"({"shape": [6144], "blocksize": 64})")),
             Catch::Contains("expected shape to be that of a matrix, got [6144]"));
  CHECK_THAT(error(kState, bytes(R"({"shape": [96, 64], "blocksize": 48})")),
             Catch::Contains("Nf4.blocksize must be a power of two"));
  CHECK_THAT(error(kState, bytes(R"({"shape": [64, 96], "blocksize": 64, "nested_offset": 0,)"
                                 R"( "nested_blocksize": 128})")),
             Catch::Contains("expected nested_blocksize 256, got 128"));
  CHECK_THAT(error(kState, bytes(R"({"shape": [64, 96], "blocksize": 64})")),
             Catch::Contains("w.absmax: expected"));
}
