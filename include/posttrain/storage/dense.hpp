// SPDX-License-Identifier: Apache-2.0
// How frozen matrices are stored: `Dense`, as they are computed with.
//
// A storage is a type with `static constexpr bool dense`, `validate()` and, unless it is dense, a
// `Matrix`: one matrix of the checkpoint in stored form.
//
//   Matrix store(const Tensor& w) const;   // [rows, in], any dtype and device
//   matrix.write(out);                     // into [rows, in] of any floating dtype
//   matrix.rows();
//   matrix.bytes();
//
// The LM head, tables, vectors and whatever is trained stay dense in every storage.
#pragma once

namespace posttrain {

struct Dense {
  static constexpr bool dense = true;
  struct Matrix {};

  constexpr void validate() const {}
};

}  // namespace posttrain
