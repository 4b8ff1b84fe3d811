// SPDX-License-Identifier: Apache-2.0
// Definitions of bitsandbytes.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstring>
#include <set>

#include "posttrain/base/compiled.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/storage/bitsandbytes.hpp"
#include "posttrain/storage/int8_codec.hpp"
#include "posttrain/storage/nf4_codec.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

inline Tensor nf4_values() {
  return at::tensor(at::ArrayRef<float>(kNf4Values.data(), kNf4Values.size()), at::kFloat);
}

inline const char* torch_dtype_name(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? "bfloat16" : dtype == at::kHalf ? "float16" : "float32";
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<NamedTensor> pack_nf4(const std::string& name, const Nf4Matrix& matrix,
                                                   at::ScalarType dtype) {
  Json state{{"quant_type", "nf4"},
             {"blocksize", matrix.blocksize},
             {"dtype", detail::torch_dtype_name(dtype)},
             {"shape", {matrix.row_count, matrix.columns}}};
  std::vector<NamedTensor> tensors{{name, matrix.codes.view({-1, 1})},
                                   {name + ".absmax", matrix.absmax},
                                   {name + ".quant_map", detail::nf4_values()}};
  if (matrix.nested()) {
    tensors.push_back({name + ".nested_absmax", matrix.nested_absmax});
    tensors.push_back({name + ".nested_quant_map", matrix.nested_map});
    state["nested_blocksize"] = Nf4Matrix::kNestedBlocksize;
    state["nested_dtype"] = "float32";
    state["nested_offset"] = static_cast<double>(matrix.offset);
  }
  const std::string text = state.dump();
  Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  tensors.push_back({name + "." + std::string(kNf4StateKey), bytes});
  return tensors;
}

POSTTRAIN_INLINE Nf4Matrix unpack_nf4(const std::string& name, const PackedTensors& tensors,
                                      at::Device device) {
  const auto tensor = [&](std::string_view key) {
    const auto found = tensors.find(std::string(key));
    if (found == tensors.end()) raise("{}: missing key '{}.{}'", name, name, key);
    return found->second.contiguous();
  };
  const Tensor bytes = tensor(kNf4StateKey);
  const std::string where = fmt::format("{}.{}", name, kNf4StateKey);
  const Json state = io::parse_json(
      {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(bytes.nbytes())},
      where);
  io::object_from(state, where, "the state of a matrix");
  Nf4Matrix matrix;
  constexpr std::int64_t kMaximum = std::int64_t{1} << 31;
  const Json& shape = io::array_from(io::required_under(state, "shape", where), where, "shape");
  if (shape.size() != 2) {
    raise("{}: expected shape to be that of a matrix, got {}", where, io::shown(shape));
  }
  matrix.row_count = io::integer_from(shape[0], where, "shape[0]", 0, kMaximum);
  matrix.columns = io::integer_from(shape[1], where, "shape[1]", 0, kMaximum);
  matrix.blocksize =
      io::integer_from(io::required_under(state, "blocksize", where), where, "blocksize", 1);
  const Json* offset = io::value_under(state, "nested_offset");
  const bool nested = offset != nullptr;
  if (nested) {
    matrix.offset = static_cast<float>(io::number_from(*offset, where, "nested_offset"));
    const std::int64_t size = io::integer_from(io::required_under(state, "nested_blocksize", where),
                                               where, "nested_blocksize", 1);
    if (size != Nf4Matrix::kNestedBlocksize) {
      raise("{}: expected nested_blocksize {}, got {}", where, Nf4Matrix::kNestedBlocksize, size);
    }
  }
  try {
    Nf4{.blocksize = matrix.blocksize}.validate();
  } catch (const Error& error) {
    raise("{}: {}, got {}", where, error.what(), matrix.blocksize);
  }
  const std::int64_t n = matrix.row_count * matrix.columns;
  const std::int64_t blocks = (n + matrix.blocksize - 1) / matrix.blocksize;
  const auto checked = [&](std::string_view key, std::int64_t count, at::ScalarType type) {
    const Tensor t = tensor(key).view({-1});
    if (t.numel() != count || t.scalar_type() != type) {
      raise("{}.{}: expected {} elements of {} for a matrix of [{}, {}], got {} {}", name, key,
            count, c10::toString(type), matrix.row_count, matrix.columns,
            c10::toString(t.scalar_type()), shape_text(t));
    }
    return t;
  };
  if (!at::equal(checked("quant_map", 16, at::kFloat), detail::nf4_values())) {
    raise("{}.quant_map: expected the values of NF4", name);
  }
  matrix.codes = checked("", (n + 1) / 2, at::kByte).to(device);
  matrix.absmax = checked("absmax", blocks, nested ? at::kByte : at::kFloat).to(device);
  if (nested) {
    const std::int64_t outer =
        (blocks + Nf4Matrix::kNestedBlocksize - 1) / Nf4Matrix::kNestedBlocksize;
    matrix.nested_absmax = checked("nested_absmax", outer, at::kFloat).to(device);
    // Older releases wrote -1 for its first value.
    const Tensor map = checked("nested_quant_map", 256, at::kFloat);
    matrix.nested_map = at::equal(map, dynamic_map(true)) ? dynamic_map(true) : map;
  }
  return matrix;
}

}  // namespace posttrain
