// SPDX-License-Identifier: Apache-2.0
// The tests of `value is test` by name: all of Jinja2's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

bool has_test(std::string_view name);

std::vector<std::string_view> test_names();

bool apply_test(std::string_view name, const Value& input, const Arguments& arguments);

/// The error of a template that names a test which there is not.
std::string unknown_test(std::string_view name);

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/tests.ipp"
#endif
