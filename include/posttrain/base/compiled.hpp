// SPDX-License-Identifier: Apache-2.0
// Header-only by default; with POSTTRAIN_COMPILED, functions that are no templates are compiled
// once.
//
// A header `x.hpp` with much of that declares; `impl/x.ipp` defines with POSTTRAIN_INLINE and is
// included by `x.hpp` unless POSTTRAIN_COMPILED is defined. Each room's `src.hpp` includes its
// definitions, those without LibTorch in `src_host.hpp` where a room has both; `posttrain/src.hpp`
// includes all of them (tests/tools/check_includes.py sees to it).
#pragma once

#if defined(POSTTRAIN_COMPILED_SOURCE) && !defined(POSTTRAIN_COMPILED)
#error \
    "posttrain: src.hpp goes with -DPOSTTRAIN_COMPILED for all files; hint: header-only needs none"
#endif

#ifdef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_INLINE
#else
#define POSTTRAIN_INLINE inline
#endif
