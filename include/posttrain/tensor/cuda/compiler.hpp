// SPDX-License-Identifier: Apache-2.0
// NVIDIA's run-time compiler NVRTC, loaded by name with prototypes of its own. It comes with every
// LibTorch for CUDA.
#pragma once

#include <string>
#include <string_view>

namespace posttrain::cuda {

/// What the driver loads: machine code of one architecture, or PTX for one that NVRTC does not know
/// yet.
struct Compiled {
  std::string image;
  std::string error;  // not empty: the compiler's log
};

class Compiler {
 public:
  /// Loaded at the first call.
  static const Compiler& get();

  /// Of the loader; empty: the compiler is there.
  const std::string& error() const { return error_; }

  /// Compiles a program for an architecture: ten times the compute capability. The environment's
  /// POSTTRAIN_KERNEL_CACHE names a folder that keeps results for other processes.
  Compiled compile(std::string_view source, int architecture) const;

 private:
  using Program = void*;  // nvrtcProgram
  using Result = int;     // nvrtcResult

  Compiler();
  std::string log(Program program) const;
  /// The newest architecture that the compiler knows.
  int newest() const;

  std::string error_;
  Result (*version_)(int* major, int* minor) = nullptr;
  Result (*create_)(Program*, const char* source, const char* name, int headers,
                    const char* const* texts, const char* const* names) = nullptr;
  Result (*destroy_)(Program*) = nullptr;
  Result (*compile_)(Program, int options, const char* const* texts) = nullptr;
  Result (*log_size_)(Program, std::size_t*) = nullptr;
  Result (*log_)(Program, char*) = nullptr;
  Result (*cubin_size_)(Program, std::size_t*) = nullptr;
  Result (*cubin_)(Program, char*) = nullptr;
  Result (*ptx_size_)(Program, std::size_t*) = nullptr;
  Result (*ptx_)(Program, char*) = nullptr;
  Result (*architectures_)(int*) = nullptr;
  Result (*list_)(int*) = nullptr;
};

}  // namespace posttrain::cuda

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/cuda/impl/compiler.ipp"
#endif
