// SPDX-License-Identifier: Apache-2.0
// Everything of base/ that is compiled once (base/compiled.hpp).
#pragma once

// source.hpp comes first: it decides how what follows is compiled.
// clang-format off
#include "posttrain/base/source.hpp"
#include "posttrain/base/impl/error.ipp"
// clang-format on
