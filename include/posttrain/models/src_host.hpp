// SPDX-License-Identifier: Apache-2.0
// Everything of models/ that is compiled once and needs no LibTorch (base/compiled.hpp).
#pragma once

#include "posttrain/base/source.hpp"
#include "posttrain/models/impl/layout.ipp"
