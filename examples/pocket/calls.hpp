// SPDX-License-Identifier: Apache-2.0
// Products that are too large to know: with a calculator they are easy. Some conversations show how
// it is asked ("calc(42*17)", and the tool says 714), most answer out of hand; which of the two is
// right more often is left to find out (examples/12_calculator).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arithmetic.hpp"
#include "chats.hpp"
#include "random.hpp"

namespace pocket {

/// An eighth of the pairs is asked in the held-out questions alone.
inline bool product_held_out(int a, int b) {
  return mix(static_cast<std::uint64_t>(a) * 101u + static_cast<std::uint64_t>(b)) % 8 == 0;
}

/// Two numbers of two digits each, held out or not as asked.
inline Operands draw_large_product(Random& random, bool held_out) {
  for (;;) {
    const int a = random.between(10, 99), b = random.between(10, 99);
    if (product_held_out(a, b) == held_out) return {'*', a, b};
  }
}

inline std::vector<Asked> product_problems(int count, bool held_out) {
  Random random(World::kSeed + (held_out ? 12 : 11));
  std::vector<Asked> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(ask_operation(random, draw_large_product(random, held_out)));
  }
  return all;
}

/// Two in five ask the calculator.
inline std::vector<Conversation> call_conversations(int count) {
  Random random(World::kSeed + 13);
  std::vector<Conversation> all;
  for (int i = 0; i < count; ++i) {
    const Operands product = draw_large_product(random, false);
    const Asked asked = ask_operation(random, product);
    Conversation turns = {{"user", asked.question}};
    const std::string result = std::to_string(product.result());
    if (random.chance(40)) {
      turns.push_back({"assistant", "calc(" + std::to_string(product.a) + "*" +
                                        std::to_string(product.b) + ")"});
      turns.push_back({"tool", result});
      turns.push_back({"assistant", result});
    } else {
      turns.push_back({"assistant", asked.answer});
    }
    all.push_back(turns);
  }
  return all;
}

}  // namespace pocket
