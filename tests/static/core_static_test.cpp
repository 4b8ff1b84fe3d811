// SPDX-License-Identifier: Apache-2.0
// Properties of the core types that other code relies on.
#include <concepts>
#include <type_traits>

#include "posttrain/base/error.hpp"
#include "posttrain/base/literal_string.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/forest.hpp"

namespace posttrain {

static_assert(std::is_aggregate_v<Segment>);
static_assert(std::is_aggregate_v<AttentionPart>);
static_assert(std::is_aggregate_v<Sequence>);
static_assert(std::is_trivially_copyable_v<Segment>);
static_assert(std::derived_from<Error, std::runtime_error>);
static_assert(std::convertible_to<const char*, LiteralString>);
static_assert(std::convertible_to<std::string, LiteralString>);
static_assert(!std::convertible_to<int, LiteralString>);

}  // namespace posttrain
