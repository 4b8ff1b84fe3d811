// SPDX-License-Identifier: Apache-2.0
// Precompiled for tests without LibTorch: what nearly all of them include.
#ifndef POSTTRAIN_TESTS_PCH_HOST
#define POSTTRAIN_TESTS_PCH_HOST

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

#endif  // POSTTRAIN_TESTS_PCH_HOST
