// SPDX-License-Identifier: Apache-2.0
// Definitions of nccl_library.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/cuda/nccl_library.hpp"
#include "posttrain/tensor/cuda/library_beside.hpp"

namespace posttrain::cuda {

POSTTRAIN_INLINE NcclLibrary::NcclLibrary(const std::vector<std::string>& files) {
  void* library = nullptr;
  std::string reason;  // of the first, which names it as a user would
  for (const std::string& file : files) {
    if (!library) library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (!library) library = ::dlopen(file.c_str(), RTLD_NOW);
    const char* trouble = library ? nullptr : ::dlerror();
    if (trouble && reason.empty()) reason = trouble;
  }
  if (!library) {
    raise(
        "ranks on GPUs need NVIDIA's NCCL, which could not be loaded: {}; hint: LD_LIBRARY_PATH "
        "with the folder of libnccl.so.2",
        reason);
  }
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (!function) raise("libnccl.so.2 lacks {}; hint: NCCL 2.13 or later", name);
  };
  find("ncclGetVersion", get_version);
  find("ncclGetUniqueId", get_unique_id);
  find("ncclCommInitRank", comm_init_rank);
  find("ncclCommAbort", comm_abort);
  find("ncclCommGetAsyncError", comm_get_async_error);
  find("ncclGetErrorString", get_error_string);
  find("ncclGetLastError", get_last_error);
  find("ncclAllReduce", all_reduce);
  find("ncclReduceScatter", reduce_scatter);
  find("ncclAllGather", all_gather);
  find("ncclBroadcast", broadcast);
}

POSTTRAIN_INLINE const NcclLibrary& NcclLibrary::get() {
  static const NcclLibrary library([] {
    std::vector<std::string> files{"libnccl.so.2"};
    std::string beside = library_beside_libtorch("../../nvidia/nccl/lib/libnccl.so.2");
    if (!beside.empty()) files.push_back(std::move(beside));
    return files;
  }());
  return library;
}

POSTTRAIN_INLINE std::string NcclLibrary::version() const {
  int number = 0;
  if (get_version(&number) != kSuccess) return "unknown";
  // 2.9 made room for more minor versions.
  const int thousand = number < 10000 ? 1000 : 10000;
  return fmt::format("{}.{}.{}", number / thousand, number % thousand / 100, number % 100);
}

POSTTRAIN_INLINE std::string NcclLibrary::text(Result result) const {
  const char* of_result = get_error_string(result);
  const char* last = get_last_error(nullptr);
  std::string all = of_result ? of_result : fmt::format("error {}", result);
  if (last && *last) all += fmt::format(" ({})", last);
  return all;
}

}  // namespace posttrain::cuda
