// SPDX-License-Identifier: Apache-2.0
// NCCL's library itself. What ranks do with it: tests/end_to_end/ranks_test.py, on the stand-in.
#include "posttrain/distributed/nccl.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"

#ifndef POSTTRAIN_NO_CUDA

#include <string>
#include <vector>

#include "posttrain/distributed/cuda/nccl_library.hpp"

using namespace posttrain;
using posttrain::cuda::NcclLibrary;

namespace {

std::string error_with(const std::vector<std::string>& files) {
  return test::error_of([&] { NcclLibrary library(files); });
}

}  // namespace

TEST_CASE("NCCL is loaded where it is installed, and gives an id", "[nccl]") {
  const NcclLibrary* nccl = nullptr;
  try {
    nccl = &NcclLibrary::get();
  } catch (const Error& error) {
    WARN("skipped: " << error.what());
    return;
  }
  CHECK(nccl->version().starts_with("2."));
  NcclLibrary::UniqueId first{}, second{};
  REQUIRE(nccl->get_unique_id(&first) == NcclLibrary::kSuccess);
  REQUIRE(nccl->get_unique_id(&second) == NcclLibrary::kSuccess);
  CHECK(std::string(first.bytes, sizeof first.bytes) !=
        std::string(second.bytes, sizeof second.bytes));
  CHECK_FALSE(nccl->text(4).empty());
}

TEST_CASE("a missing NCCL, or another library in its place, is one clear line", "[nccl]") {
  const std::string missing = error_with({"libnccl-missing.so.2", "/nowhere/libnccl.so.2"});
  CHECK(test::contains(missing,
                       "ranks on GPUs need NVIDIA's NCCL, which could not be loaded: "
                       "libnccl-missing.so.2"));
  CHECK(test::contains(missing, "hint: LD_LIBRARY_PATH with the folder of libnccl.so.2"));
  CHECK(error_with({"libc.so.6"}) == "libnccl.so.2 lacks ncclGetVersion; hint: NCCL 2.13 or later");
}

#endif
