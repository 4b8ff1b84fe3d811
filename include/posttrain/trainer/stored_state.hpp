// SPDX-License-Identifier: Apache-2.0
// The tensors of a checkpoint in its folder (trainer/checkpoints.hpp): in one file, or in one for
// each rank where ranks hold slices. Every tensor has a hash, which stands in the checkpoint's
// record.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/io/safetensors.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

class StoredState {
 public:
  /// Writes tensors; returns what the record says of them, its members "tensors" (hashes by name)
  /// and, of slices, "files" and "sizes". Where `tensors` has slices each rank of the team writes
  /// its own, the first one also what is whole; throws on all of them where one cannot.
  static Json write(const io::fs::path& folder, const std::vector<NamedSlice>& tensors,
                    const Team& team);

  /// Opens the files of a record; throws where one is damaged or slices are missing.
  StoredState(const io::fs::path& folder, const Json& record);

  /// Throws unless `tensors` are those of the checkpoint.
  void check(const std::vector<NamedSlice>& tensors) const;
  /// Puts stored elements into a checked tensor.
  void read(const NamedSlice& tensor) const;

 private:
  /// Elements [begin, end) of a flat tensor; not cut: all of a tensor of any shape.
  struct Piece {
    const io::TensorView* view;
    const io::SafetensorsFile* file;
    std::int64_t begin = 0, end = 0;
    bool cut = false;
  };

  void add(const io::TensorView& tensor, const io::SafetensorsFile& file);
  void put_in_order(const io::fs::path& folder, const std::string& name,
                    std::vector<Piece>& pieces) const;
  std::vector<std::int64_t> shape_of(const std::string& name) const;

  std::vector<std::unique_ptr<io::SafetensorsFile>> files_;
  std::map<std::string, std::vector<Piece>, std::less<>> pieces_;
  std::map<std::string, std::int64_t> sizes_;  // of what is in slices
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/stored_state.ipp"
#endif
