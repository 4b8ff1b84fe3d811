// SPDX-License-Identifier: Apache-2.0
// Definitions of compiler.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/hash.hpp"
#include "posttrain/tensor/cuda/compiler.hpp"
#include "posttrain/tensor/cuda/library_beside.hpp"

namespace posttrain::cuda {

namespace detail {

/// A file whole; empty where there is none.
inline std::string file_content(const std::string& path) {
  std::string content;
  if (std::FILE* file = std::fopen(path.c_str(), "rb")) {
    char piece[65536];
    while (const std::size_t size = std::fread(piece, 1, sizeof(piece), file)) {
      content.append(piece, size);
    }
    std::fclose(file);
  }
  return content;
}

/// Written beside and renamed, or not at all: a cache that cannot be written is none.
inline void keep_content(const std::string& path, const std::string& content) {
  const std::string beside = fmt::format("{}.{}", path, ::getpid());
  std::FILE* file = std::fopen(beside.c_str(), "wb");
  if (!file) return;
  const bool whole = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  if (std::fclose(file) != 0 || !whole || std::rename(beside.c_str(), path.c_str()) != 0) {
    std::remove(beside.c_str());
  }
}

}  // namespace detail

POSTTRAIN_INLINE Compiler::Compiler() {
  void* library = nullptr;
  // LibTorch's own; else that beside the CUDA library, whose file names the folders it needs.
  for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12"}) {
    if (!library) library = ::dlopen(name, RTLD_NOW | RTLD_NOLOAD);
  }
  for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12"}) {
    if (!library) library = ::dlopen(name, RTLD_NOW);
  }
  if (!library) {
    const char* text = ::dlerror();
    error_ = text ? text : "libnvrtc.so.13";
    const std::string beside = library_beside_libtorch("libcaffe2_nvrtc.so");
    if (!beside.empty()) library = ::dlopen(beside.c_str(), RTLD_NOW);
    if (!library) return;
    error_.clear();
  }
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (!function) error_ = std::string("NVRTC lacks ") + name;
  };
  find("nvrtcVersion", version_);
  find("nvrtcCreateProgram", create_);
  find("nvrtcDestroyProgram", destroy_);
  find("nvrtcCompileProgram", compile_);
  find("nvrtcGetProgramLogSize", log_size_);
  find("nvrtcGetProgramLog", log_);
  find("nvrtcGetCUBINSize", cubin_size_);
  find("nvrtcGetCUBIN", cubin_);
  find("nvrtcGetPTXSize", ptx_size_);
  find("nvrtcGetPTX", ptx_);
  find("nvrtcGetNumSupportedArchs", architectures_);
  find("nvrtcGetSupportedArchs", list_);
}

POSTTRAIN_INLINE const Compiler& Compiler::get() {
  static const Compiler compiler;
  return compiler;
}

POSTTRAIN_INLINE std::string Compiler::log(Program program) const {
  std::size_t size = 0;
  if (log_size_(program, &size) != 0) return "no log";
  std::string text(size, '\0');
  if (log_(program, text.data()) != 0) return "no log";
  while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
  return text;
}

POSTTRAIN_INLINE int Compiler::newest() const {
  int count = 0;
  if (architectures_(&count) != 0 || count <= 0) return 0;
  std::vector<int> known(static_cast<std::size_t>(count));
  return list_(known.data()) == 0 ? *std::ranges::max_element(known) : 0;
}

POSTTRAIN_INLINE Compiled Compiler::compile(std::string_view source, int architecture) const {
  const int known = newest();
  const bool as_ptx = architecture > known;  // the driver makes machine code of it
  const std::string option = fmt::format("--gpu-architecture={}_{}", as_ptx ? "compute" : "sm",
                                         as_ptx ? known : architecture);
  std::string cached;
  if (const char* folder = std::getenv("POSTTRAIN_KERNEL_CACHE"); folder && *folder) {
    int major = 0, minor = 0;
    version_(&major, &minor);
    ContentHash hash;
    hash.add(fmt::format("{}.{} {}", major, minor, option));
    hash.add(source);
    cached = fmt::format("{}/posttrain-{}", folder, hash.text());
    if (std::string image = detail::file_content(cached); !image.empty()) {
      return {std::move(image), {}};
    }
  }
  const std::string text(source);
  Program program = nullptr;
  if (const Result result = create_(&program, text.c_str(), "posttrain.cu", 0, nullptr, nullptr);
      result != 0) {
    return {{}, fmt::format("nvrtcCreateProgram gave {}", result)};
  }
  const char* const options[] = {option.c_str(), "--std=c++17"};
  Compiled made;
  std::size_t size = 0;
  if (compile_(program, 2, options) != 0) {
    made.error = log(program);
  } else if ((as_ptx ? ptx_size_ : cubin_size_)(program, &size) != 0) {
    made.error = "the compiler made nothing";
  } else {
    made.image.resize(size);
    if ((as_ptx ? ptx_ : cubin_)(program, made.image.data()) != 0) {
      made.error = "the compiler gave nothing";
    }
  }
  destroy_(&program);
  if (made.error.empty() && !cached.empty()) detail::keep_content(cached, made.image);
  return made;
}

}  // namespace posttrain::cuda
