// SPDX-License-Identifier: Apache-2.0
// Everything of evaluate/ that is compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/source.hpp"
#include "posttrain/evaluate/impl/retention.ipp"
