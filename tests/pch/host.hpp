// SPDX-License-Identifier: Apache-2.0
// Precompiled for tests without LibTorch: what nearly all of them include.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"
