// SPDX-License-Identifier: Apache-2.0
// Everything of base/ that is compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/impl/error.ipp"
#include "posttrain/base/source.hpp"
