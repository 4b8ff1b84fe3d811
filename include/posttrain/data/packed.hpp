// SPDX-License-Identifier: Apache-2.0
// Another data policy with a packer of one's own, instead of first fit decreasing:
//
//   Packed{Messages{.path = "chats.jsonl"}, data::NoPacking{}}
//
// Packers: data/pipeline/packing.hpp. Packing changes speed and memory only.
#pragma once

#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/data/pipeline/packing.hpp"

namespace posttrain {

template <class Data, class Packer>
struct Packed {
  Data data{};
  Packer packing{};

  constexpr void validate() const {
    if constexpr (requires { data.validate(); }) data.validate();
  }

  auto kind() const requires requires(const Data& policy) { policy.kind(); }
  { return data.kind(); }
  auto load(const data::LoadContext& context) const -> decltype(data.load(context)) {
    return data.load(context);
  }
};

template <class Data, class Packer>
Packed(Data, Packer) -> Packed<Data, Packer>;

}  // namespace posttrain
