// SPDX-License-Identifier: Apache-2.0
// Everything of batch/ that is compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/source.hpp"
#include "posttrain/batch/impl/answers.ipp"
#include "posttrain/batch/impl/pairs.ipp"
#include "posttrain/batch/impl/rewards.ipp"
#include "posttrain/batch/impl/tokens.ipp"
#include "posttrain/batch/impl/virtual_tokens.ipp"
