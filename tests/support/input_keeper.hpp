// SPDX-License-Identifier: Apache-2.0
// A gate that shows what every product of another gate reads.
#pragma once

#include <functional>
#include <utility>

#include "posttrain/params/forwarding.hpp"
#include "posttrain/params/frozen.hpp"

namespace posttrain::test {

class InputKeeper : public Forwarding<const FrozenState&> {
 public:
  using Show = std::function<void(int site, const Tensor& x)>;

  InputKeeper(const FrozenState& gate, Show show) : Forwarding(gate), show_(std::move(show)) {}

  Tensor linear(int site, const Tensor& x) const {
    show_(site, x);
    return gate().linear(site, x);
  }

 private:
  Show show_;
};

}  // namespace posttrain::test
