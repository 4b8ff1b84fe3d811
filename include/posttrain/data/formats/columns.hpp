// SPDX-License-Identifier: Apache-2.0
// The columns of records: which a format reads, and which are about the sample and no part of it.
// The others are counted (data/formats/unread_columns.hpp): what a user gave acts or is named.
#pragma once

#include <string_view>

#include "posttrain/data/formats/format.hpp"

namespace posttrain::data {

/// Whether records of this format are made of the value under `key`.
bool reads_column(Format format, std::string_view key);

/// Whether a column is by its name about the sample ("id", "source", "score"): nobody expects it
/// to be trained on.
bool is_harmless_column(std::string_view key);

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/formats/impl/columns.ipp"
#endif
