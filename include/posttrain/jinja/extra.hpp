// SPDX-License-Identifier: Apache-2.0
// The filters and methods of Jinja2 that no published chat template uses: a program that includes
// this header, in any one file, has them in all its templates.
//
//   #include <posttrain/jinja/extra.hpp>
//
// Filters: center, filesizeformat, pprint, striptags, truncate, urlencode, urlize, wordcount,
// wordwrap, xmlattr. Methods of str: format, format_map. Header-only or with the compiled library.
#pragma once

#include "posttrain/jinja/extra/brace_format.hpp"
#include "posttrain/jinja/extra/layout_filters.hpp"
#include "posttrain/jinja/extra/pretty.hpp"
#include "posttrain/jinja/extra/urlize.hpp"
#include "posttrain/jinja/extra/web_filters.hpp"
#include "posttrain/jinja/extra/word_wrap.hpp"
