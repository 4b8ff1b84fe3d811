// SPDX-License-Identifier: Apache-2.0
// Header-only by default; with POSTTRAIN_COMPILED, definitions come from the compiled library.
//
// A header `x.hpp` with much non-template code declares; `x_impl.hpp` defines with POSTTRAIN_INLINE
// and is included by `x.hpp` unless POSTTRAIN_COMPILED is defined. The library's translation units
// (posttrain/compiled/*.cpp) define POSTTRAIN_COMPILED_SOURCE too and include the definitions once.
#pragma once

#ifdef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_INLINE
#else
#define POSTTRAIN_INLINE inline
#endif
