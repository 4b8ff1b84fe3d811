// SPDX-License-Identifier: Apache-2.0
// The functions every template can call: range, namespace, dict, joiner, cycler, and transformers'
// raise_exception and strftime_now. `lipsum` is known, too, but refused: its text is random.
#pragma once

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

const Dict& globals();

}  // namespace posttrain::text::jinja

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/globals.ipp"
#endif
