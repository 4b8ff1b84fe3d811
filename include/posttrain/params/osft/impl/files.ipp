// SPDX-License-Identifier: Apache-2.0
// Definitions of files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/folder_check.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/model_card.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft/files.hpp"
#include "posttrain/params/weights/impl/peft_folder.ipp"
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

POSTTRAIN_INLINE void write_osft_delta(const std::string& folder, const OsftDelta& delta,
                                       const io::ModelCard& card) {
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
    return name == kDeltaConfig || name == kDeltaWeights || name == io::kModelCardFile;
  });
  io::save_tensors(target.path() / kDeltaWeights, tensors);
  io::OutputFile file(target.path() / kDeltaConfig);
  file.write(config.dump(2) + "\n");
  file.close();
  // Neither PEFT nor transformers reads such a folder.
  io::put_model_card(target.path(), target.target(), adapter_card(card, "osft", "posttrain"));
  target.commit(kDeltaConfig);
}

/// An entry of "matrices", without its tensors; `where` names it.
inline OsftDelta::Matrix read_matrix(const Json& entry, const std::string& where) {
  constexpr std::int64_t kMaximum = std::int64_t{1} << 31;
  io::object_from(entry, where, "a matrix");
  const auto integer = [&](const char* key, std::int64_t minimum) {
    return io::integer_from(io::required_under(entry, key, where), where, key, minimum, kMaximum);
  };
  const auto text = [&](const char* key) {
    return io::text_from(io::required_under(entry, key, where), where, key);
  };
  OsftDelta::Matrix matrix{text("name"), integer("rank", 0), integer("rows", 1), integer("in", 1),
                           text("base")};
  if (matrix.rank > std::min(matrix.rows, matrix.in)) {
    raise("{}: expected rank at most min(rows, in) = {}, got {}", where,
          std::min(matrix.rows, matrix.in), matrix.rank);
  }
  return matrix;
}

POSTTRAIN_INLINE OsftDelta read_osft_delta(const std::string& folder) {
  const io::fs::path path(folder);
  io::check_folder(path, io::FolderOf::delta, kDeltaConfig);
  const std::string where = (path / kDeltaConfig).string();
  const std::string weights = (path / kDeltaWeights).string();
  const Json config =
      io::parse_json(io::read_text_file(path / kDeltaConfig, io::kLargestJsonFile), where);
  io::object_from(config, where, "the delta");
  if (const auto format = io::integer_under(config, "format", 0, where, 0); format != 1) {
    raise("{}: expected format 1, got {}", where, format);
  }
  OsftDelta delta;
  delta.base_model = io::text_under(config, "base_model_name_or_path", "", where);
  const std::string projection = io::text_under(config, "projection", "", where);
  for (const OsftProjection known :
       {OsftProjection::both_sides, OsftProjection::joint, OsftProjection::input_only}) {
    if (enum_name(known) == projection) delta.projection = known;
  }
  if (enum_name(delta.projection) != projection) {
    raise("{}: expected projection both_sides, joint or input_only, got '{}'", where, projection);
  }
  std::map<std::string, Tensor> tensors = load_floating_tensors(path / kDeltaWeights);
  const auto take = [&](const std::string& name) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) raise("{}: missing key '{}'", weights, name);
    const Tensor tensor = found->second;
    tensors.erase(found);
    return tensor;
  };
  /// A matrix; −1: whatever the number.
  const auto take_matrix = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    const Tensor tensor = take(name);
    if (tensor.dim() != 2 || (rows >= 0 && tensor.size(0) != rows) ||
        (columns >= 0 && tensor.size(1) != columns)) {
      const auto size = [](std::int64_t n) { return n < 0 ? "n" : std::to_string(n); };
      raise("{}: tensor '{}': expected shape [{}, {}], got {}", weights, name, size(rows),
            size(columns), shape_text(tensor));
    }
    return tensor;
  };
  const Json& matrices =
      io::array_from(io::required_under(config, "matrices", where), where, "matrices");
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const std::string inside = fmt::format("{}: matrices[{}]", where, i);
    OsftDelta::Matrix matrix = read_matrix(matrices[i], inside);
    if (io::bool_from(io::required_under(matrices[i], "factored", inside), inside, "factored")) {
      const Tensor a = take_matrix(matrix.name + ".a", matrix.rows, -1);
      matrix.change = {a, take_matrix(matrix.name + ".b", a.size(1), matrix.in)};
    } else {
      matrix.change = {take_matrix(matrix.name + ".delta", matrix.rows, matrix.in), {}};
    }
    delta.matrices.push_back(std::move(matrix));
  }
  for (const std::string& name : io::texts_under(config, "others", where)) {
    delta.others.push_back({name, take(name)});
  }
  if (!tensors.empty()) raise("{}: unexpected key '{}'", weights, tensors.begin()->first);
  return delta;
}

}  // namespace posttrain::detail
