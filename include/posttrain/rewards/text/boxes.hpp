// SPDX-License-Identifier: Apache-2.0
// Finds \boxed{…} and \fbox{…} in a completion, in one pass over it.
//
// The last box counts, whatever stands before. Where that one is never closed (the sample was cut
// off), there is no answer: an earlier box would be a guess. A mention ("put it in \boxed{}", "a
// \boxed answer") is no box, and of boxes within each other the outermost counts. \boxed 42 holds
// its digits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace posttrain::rewards {

struct Box {
  std::size_t begin = 0;  // of the command
  std::size_t end = 0;    // behind what closes it
  std::string_view content{};
};

struct Boxes {
  std::vector<Box> closed;  // outermost ones with something in them, in order
  bool cut_off = false;     // the last box that was opened is not closed
};

/// Views into `text`.
Boxes find_boxes(std::string_view text);

/// The content of the last box, and with `join` of those that stand side by side with it, between
/// commas, "and" or "or": \boxed{6}, \boxed{8}. A percent sign behind the box belongs to it. Empty:
/// there is none.
std::string boxed_answer(std::string_view text, const Boxes& boxes, bool join);

}  // namespace posttrain::rewards

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/text/impl/boxes.ipp"
#endif
