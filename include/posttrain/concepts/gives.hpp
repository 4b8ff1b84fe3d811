// SPDX-License-Identifier: Apache-2.0
// The type of an expression, by value or by reference.
//
// The concepts of this room read signatures only: write the return type of every policy operation,
// so that a mistake in its body is an error in the body.
#pragma once

#include <concepts>
#include <type_traits>

namespace posttrain {

template <class Expression, class Type>
concept Gives = std::same_as<std::remove_cvref_t<Expression>, Type>;

}  // namespace posttrain
