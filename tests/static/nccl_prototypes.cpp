// SPDX-License-Identifier: Apache-2.0
// The prototypes of distributed/cuda/nccl_library.hpp against NVIDIA's nccl.h, where Meson finds it
// (-Dnccl). Types of another name must have the same size and be passed in the same way.
#include "posttrain/distributed/cuda/nccl_library.hpp"

#if defined(POSTTRAIN_NCCL_HEADER)

#include <nccl.h>

#include <type_traits>

namespace {

using Own = posttrain::cuda::NcclLibrary;

template <class A, class B>
constexpr bool kPassedAlike = std::is_same_v<A, B> ||
                              (std::is_pointer_v<A> && std::is_pointer_v<B>) ||
                              ((std::is_enum_v<A> ||
                                std::is_integral_v<A>)&&(std::is_enum_v<B> ||
                                                         std::is_integral_v<B>)&&sizeof(A) ==
                               sizeof(B)) ||
                              (std::is_class_v<A> && std::is_class_v<B> && sizeof(A) == sizeof(B) &&
                               alignof(A) == alignof(B));

template <class A, class B>
struct Alike : std::false_type {};
template <class A, class... As, class B, class... Bs>
requires(sizeof...(As) == sizeof...(Bs)) struct Alike<A (*)(As...), B (*)(Bs...)>
    : std::bool_constant<kPassedAlike<A, B> && (kPassedAlike<As, Bs> && ...)> {
};

#define POSTTRAIN_ALIKE(own, theirs) \
  static_assert(Alike<decltype(Own::own), decltype(&theirs)>::value, #theirs)
POSTTRAIN_ALIKE(get_version, ncclGetVersion);
POSTTRAIN_ALIKE(get_unique_id, ncclGetUniqueId);
POSTTRAIN_ALIKE(comm_init_rank, ncclCommInitRank);
POSTTRAIN_ALIKE(comm_abort, ncclCommAbort);
POSTTRAIN_ALIKE(comm_get_async_error, ncclCommGetAsyncError);
POSTTRAIN_ALIKE(get_error_string, ncclGetErrorString);
POSTTRAIN_ALIKE(get_last_error, ncclGetLastError);
POSTTRAIN_ALIKE(all_reduce, ncclAllReduce);
POSTTRAIN_ALIKE(reduce_scatter, ncclReduceScatter);
POSTTRAIN_ALIKE(all_gather, ncclAllGather);
POSTTRAIN_ALIKE(broadcast, ncclBroadcast);
#undef POSTTRAIN_ALIKE
static_assert(!Alike<decltype(Own::all_gather), decltype(&ncclAllReduce)>::value);

static_assert(static_cast<int>(Own::kSuccess) == static_cast<int>(ncclSuccess));
static_assert(static_cast<int>(Own::kInProgress) == static_cast<int>(ncclInProgress));
static_assert(static_cast<int>(Own::uint8) == static_cast<int>(ncclUint8));
static_assert(static_cast<int>(Own::int32) == static_cast<int>(ncclInt32));
static_assert(static_cast<int>(Own::int64) == static_cast<int>(ncclInt64));
static_assert(static_cast<int>(Own::float16) == static_cast<int>(ncclFloat16));
static_assert(static_cast<int>(Own::float32) == static_cast<int>(ncclFloat32));
static_assert(static_cast<int>(Own::float64) == static_cast<int>(ncclFloat64));
static_assert(static_cast<int>(Own::bfloat16) == static_cast<int>(ncclBfloat16));
static_assert(static_cast<int>(Own::sum) == static_cast<int>(ncclSum));
static_assert(static_cast<int>(Own::max) == static_cast<int>(ncclMax));

}  // namespace

#endif
