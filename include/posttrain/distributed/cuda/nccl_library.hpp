// SPDX-License-Identifier: Apache-2.0
// NVIDIA's collective operations between GPUs, loaded by name: the functions of libnccl.so.2 that
// the library calls, with prototypes of its own, so that nothing of NVIDIA's is needed to compile
// or to link. tests/static/nccl_prototypes.cpp checks them against nccl.h where that is
// installed (Meson's -Dnccl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace posttrain::cuda {

class NcclLibrary {
 public:
  using Result = int;  // ncclResult_t
  using Comm = void*;  // ncclComm_t
  using Stream = void*;
  struct UniqueId {
    char bytes[128];
  };

  static constexpr Result kSuccess = 0, kInProgress = 7;
  // ncclDataType_t
  enum Type : int {
    uint8 = 1,
    int32 = 2,
    int64 = 4,
    float16 = 6,
    float32 = 7,
    float64 = 8,
    bfloat16 = 9
  };
  // ncclRedOp_t
  enum Op : int { sum = 0, max = 2 };

  /// Loads it at the first call, by the loader's rules or from beside LibTorch, where NVIDIA's
  /// Python package puts it. Throws where it is not found or lacks a function.
  static const NcclLibrary& get();
  /// The first of these that can be loaded.
  explicit NcclLibrary(const std::vector<std::string>& files);

  /// "2.28.9"
  std::string version() const;
  /// An error's text, and what the library last said of it.
  std::string text(Result result) const;

  Result (*get_version)(int*) = nullptr;
  Result (*get_unique_id)(UniqueId*) = nullptr;
  Result (*comm_init_rank)(Comm*, int ranks, UniqueId, int rank) = nullptr;
  Result (*comm_abort)(Comm) = nullptr;
  Result (*comm_get_async_error)(Comm, Result*) = nullptr;
  const char* (*get_error_string)(Result) = nullptr;
  const char* (*get_last_error)(Comm) = nullptr;
  Result (*all_reduce)(const void*, void*, std::size_t count, Type, Op, Comm, Stream) = nullptr;
  Result (*reduce_scatter)(const void*, void*, std::size_t received, Type, Op, Comm,
                           Stream) = nullptr;
  Result (*all_gather)(const void*, void*, std::size_t sent, Type, Comm, Stream) = nullptr;
  Result (*broadcast)(const void*, void*, std::size_t count, Type, int root, Comm,
                      Stream) = nullptr;
};

}  // namespace posttrain::cuda

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/cuda/impl/nccl_library.ipp"
#endif
