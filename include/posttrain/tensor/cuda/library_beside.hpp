// SPDX-License-Identifier: Apache-2.0
// Libraries of the LibTorch that this program runs with, found by the place of one of its
// functions: a program may have found LibTorch in a way that does not count for a library loaded by
// name.
#pragma once

#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <unistd.h>

#include <string>

namespace posttrain::cuda {

/// The path of a library beside LibTorch's; empty where there is none.
inline std::string library_beside_libtorch(const char* name) {
  Dl_info place{};
  if (::dladdr(reinterpret_cast<const void*>(&at::detail::getCUDAHooks), &place) == 0) return {};
  const std::string library(place.dli_fname);
  const std::size_t slash = library.rfind('/');
  if (slash == library.npos) return {};
  std::string path = library.substr(0, slash + 1) + name;
  return ::access(path.c_str(), F_OK) == 0 ? path : std::string();
}

}  // namespace posttrain::cuda
