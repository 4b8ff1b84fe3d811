// SPDX-License-Identifier: Apache-2.0
// Everything of optim/ that is compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/source.hpp"
#include "posttrain/optim/impl/adamw.ipp"
#include "posttrain/optim/impl/adamw_8bit.ipp"
#include "posttrain/optim/impl/clip.ipp"
#include "posttrain/optim/impl/host_staging.ipp"
