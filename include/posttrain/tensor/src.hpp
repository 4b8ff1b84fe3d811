// SPDX-License-Identifier: Apache-2.0
// Everything of tensor/ that is compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/source.hpp"
#include "posttrain/tensor/impl/differentiable.ipp"
