// SPDX-License-Identifier: Apache-2.0
// Filters on texts.
#pragma once

#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja::filters {

/// json.dumps() as transformers calls it: no ASCII escapes unless asked for.
Value tojson(Runtime& runtime, const Value& input, const Arguments& arguments);
Value indent(Runtime& runtime, const Value& input, const Arguments& arguments);
Value join(Runtime& runtime, const Value& input, const Arguments& arguments);
Value trim(Runtime& runtime, const Value& input, const Arguments& arguments);
Value replace(Runtime& runtime, const Value& input, const Arguments& arguments);
/// printf's: `'%s' | format(x)`.
Value format(Runtime& runtime, const Value& input, const Arguments& arguments);
/// Each word's first letter upper case, its others lower case; blanks, -, (, {, [ and < part words.
Value title(Runtime& runtime, const Value& input, const Arguments& arguments);
Value lower(Runtime& runtime, const Value& input, const Arguments& arguments);
Value upper(Runtime& runtime, const Value& input, const Arguments& arguments);
Value capitalize(Runtime& runtime, const Value& input, const Arguments& arguments);
/// For HTML; `forceescape` also escapes markup.
Value escape(Runtime& runtime, const Value& input, const Arguments& arguments);
Value force_escape(Runtime& runtime, const Value& input, const Arguments& arguments);
/// `safe`: markup, which autoescape leaves as it is.
Value safe(Runtime& runtime, const Value& input, const Arguments& arguments);
/// `string`.
Value to_text(Runtime& runtime, const Value& input, const Arguments& arguments);

}  // namespace posttrain::text::jinja::filters

#ifndef POSTTRAIN_COMPILED
#include "posttrain/jinja/impl/text_filters.ipp"
#endif
