// SPDX-License-Identifier: Apache-2.0
// First include of every src.hpp: what follows is compiled here, for all files of the program.
#pragma once

#ifndef POSTTRAIN_COMPILED
#error \
    "posttrain: src.hpp goes with -DPOSTTRAIN_COMPILED for every file of the program; hint: header-only needs none of it"
#endif
#define POSTTRAIN_COMPILED_SOURCE
