// SPDX-License-Identifier: Apache-2.0
// Patterns of a policy against the names of a model: each has to select something, since a misspelt
// one is an option that is ignored.
//
//   Lora.target_modules "v_prj" selects nothing of the model; hint: "v_proj" would
//   Full.freeze "lm_head": the head of this model is its embedding; hint: "embed_tokens"
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "posttrain/concepts/layout.hpp"

namespace posttrain::detail {

/// Names of matrices and tables, without ".weight", tied heads included.
std::vector<std::string> module_names(const Layout& layout);

/// Names of matrices, with ".weight", tied heads included, tables not.
std::vector<std::string> matrix_names(const Layout& layout);

/// Names of the checkpoint's tensors. A tied head has none of its own.
std::vector<std::string> tensor_names(const Layout& layout);

/// Throws for the first pattern of `list` ("a, b", or "a=1, b=2") that selects none of `names`,
/// with the nearest that would. `option` names the list, `of` what is selected from. Empty items,
/// and `keyword`, are passed over.
void check_patterns(std::string_view option, std::string_view list,
                    const std::vector<std::string>& names, std::string_view of = "of the model",
                    std::string_view keyword = "");

/// `check_patterns` on the names of tensors. A pattern that selects a tied head alone is an error
/// that says so, with `tied_hint` (empty: to name the embedding), unless the list has the embedding
/// too.
void check_tensor_patterns(std::string_view option, std::string_view list, const Layout& layout,
                           std::string_view tied_hint = "");

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/params/weights/impl/pattern_check.ipp"
#endif
