// SPDX-License-Identifier: Apache-2.0
// Definitions of files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft/files.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain::detail {

inline constexpr const char* kDeltaConfig = "osft_delta.json";
inline constexpr const char* kDeltaWeights = "osft_delta.safetensors";

/// Key of W₀'s values, whatever dtype of up to 32 bits they are held in.
inline std::string base_key(const Tensor& base) { return content_key(base.to(at::kFloat)); }

POSTTRAIN_INLINE OsftDelta::Matrix delta_of(const OsftTarget& target, const Tensor& base,
                                            at::ScalarType type) {
  return {target.name, target.rank(),  target.rows,
          target.in,   base_key(base), target.change().to(type)};
}

POSTTRAIN_INLINE void restore_delta(OsftTarget& target, const OsftDelta::Matrix& matrix,
                                    const Tensor& base, const std::string& folder) {
  at::NoGradGuard no_grad;
  if (matrix.rows != target.rows || matrix.in != target.in) {
    raise("{}: {} is [{}, {}] there, the model's is [{}, {}]", folder, target.name, matrix.rows,
          matrix.in, target.rows, target.in);
  }
  if (base_key(base) != matrix.base) {
    raise(
        "{}: {} of this base is not the one that the delta was made on; hint: use the base, dtype "
        "and storage that it was trained with",
        folder, target.name);
  }
  const Tensor stored = matrix.change.to(at::kDouble).dense().to(base.device());
  for (OsftCore& core : target.cores) {
    core.values.master.copy_(core.left.project_columns(core.right.project_rows(stored)));
  }
  // Rounded to the stored dtype, but in the same subspaces.
  const at::ScalarType type = matrix.change.left.scalar_type();
  const double tolerance = type == at::kDouble ? 1e-10 : type == at::kFloat ? 1e-5 : 1e-2;
  const double outside = (target.update().to(at::kDouble) - stored).norm().item<double>();
  if (outside > tolerance * stored.norm().item<double>()) {
    raise("{}: {}: the subspaces that were computed from the base do not hold the change", folder,
          target.name);
  }
}

POSTTRAIN_INLINE void write_osft_delta(const std::string& folder, const OsftDelta& delta) {
  Json matrices = Json::array(), others = matrices;
  std::vector<std::pair<std::string, Tensor>> tensors;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    if (!tensor.isfinite().all().item<bool>()) raise("{} holds values that are not finite", name);
    tensors.emplace_back(name, tensor);
  };
  for (const OsftDelta::Matrix& matrix : delta.matrices) {
    matrices.push_back({{"name", matrix.name},
                        {"rank", matrix.rank},
                        {"rows", matrix.rows},
                        {"in", matrix.in},
                        {"base", matrix.base},
                        {"factored", matrix.change.right.defined()}});
    if (matrix.change.right.defined()) {
      add(matrix.name + ".a", matrix.change.left);
      add(matrix.name + ".b", matrix.change.right);
    } else {
      add(matrix.name + ".delta", matrix.change.left);
    }
  }
  for (const NamedTensor& other : delta.others) {
    others.push_back(other.name);
    add(other.name, other.value);
  }
  const Json config = {{"format", 1},
                       {"base_model_name_or_path", delta.base_model},
                       {"projection", std::string(enum_name(delta.projection))},
                       {"matrices", matrices},
                       {"others", others}};
  io::AtomicFolder target(folder, [](std::string_view name) {
    return name == kDeltaConfig || name == kDeltaWeights || name == "README.md";
  });
  io::save_tensors(target.path() / kDeltaWeights, tensors);
  io::OutputFile file(target.path() / kDeltaConfig);
  file.write(config.dump(2) + "\n");
  file.close();
  target.commit(kDeltaConfig);
}

POSTTRAIN_INLINE OsftDelta read_osft_delta(const std::string& folder) {
  const io::fs::path path(folder);
  const std::string where = (path / kDeltaConfig).string();
  const Json config = io::parse_json(io::read_text_file(path / kDeltaConfig), where);
  if (const auto format = io::integer_under(config, "format", 0, where, 0); format != 1) {
    raise("{}: expected format 1, got {}", where, format);
  }
  OsftDelta delta;
  delta.base_model = config.value("base_model_name_or_path", "");
  const std::string projection = config.value("projection", "");
  for (const OsftProjection known :
       {OsftProjection::both_sides, OsftProjection::joint, OsftProjection::input_only}) {
    if (enum_name(known) == projection) delta.projection = known;
  }
  if (enum_name(delta.projection) != projection) {
    raise("{}: expected projection both_sides, joint or input_only, got '{}'", where, projection);
  }
  std::map<std::string, Tensor> tensors = io::load_tensors(path / kDeltaWeights);
  const auto take = [&](const std::string& name) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) raise("{}: missing key '{}'", folder, name);
    const Tensor tensor = found->second;
    tensors.erase(found);
    return tensor;
  };
  for (const auto& entry : config.at("matrices")) {
    const auto integer = [&](const char* key) {
      return io::integer_from(entry.at(key), where, key, 0);
    };
    OsftDelta::Matrix matrix{entry.at("name"), integer("rank"), integer("rows"), integer("in"),
                             entry.at("base")};
    const auto expect = [&](const Tensor& tensor, std::int64_t rows, std::int64_t columns) {
      if (tensor.dim() != 2 || tensor.size(0) != rows || tensor.size(1) != columns) {
        raise("{}: {}: expected [{}, {}], got {}", folder, matrix.name, rows, columns,
              shape_text(tensor));
      }
    };
    if (entry.at("factored").get<bool>()) {
      const Tensor a = take(matrix.name + ".a"), b = take(matrix.name + ".b");
      expect(a, matrix.rows, b.size(0));
      expect(b, a.size(1), matrix.in);
      matrix.change = {a, b};
    } else {
      matrix.change = {take(matrix.name + ".delta"), {}};
      expect(matrix.change.left, matrix.rows, matrix.in);
    }
    delta.matrices.push_back(std::move(matrix));
  }
  for (const auto& name : config.at("others")) {
    delta.others.push_back({name.get<std::string>(), take(name.get<std::string>())});
  }
  if (!tensors.empty()) raise("{}: unexpected key '{}'", folder, tensors.begin()->first);
  return delta;
}

}  // namespace posttrain::detail
