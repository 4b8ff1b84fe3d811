// SPDX-License-Identifier: Apache-2.0
// The main function of Catch2 2.x, compiled once for all test executables (3.x ships its own).
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
