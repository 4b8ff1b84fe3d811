// SPDX-License-Identifier: Apache-2.0
// NVIDIA's NCCL of the stand-in device, between processes of one machine, through shared memory. An
// operation is done when it is called, as all of the stand-in's streams do; ranks are added in
// ascending order, each sum rounded once for bf16.
//
// POSTTRAIN_STAND_IN_NCCL_VERSION: what ncclGetVersion says (22809: 2.28.9).
// POSTTRAIN_STAND_IN_NCCL_FAILS: the number of the operation that this process never gets through,
// of which ncclCommGetAsyncError says so.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace {

constexpr int kSuccess = 0, kSystemError = 2, kInvalidArgument = 4, kRemoteError = 6;
constexpr int kMostRanks = 16;
constexpr std::size_t kPiece = std::size_t{1} << 18;  // bytes of a rank on the way at once

struct UniqueId {
  char bytes[128];
};

/// What the processes share; all zero at first.
struct Shared {
  std::atomic<std::int64_t> arrived;  // at all barriers so far, all ranks
  alignas(64) std::byte pieces[kMostRanks][kPiece];
};

struct Comm {
  Shared* shared = nullptr;
  int size = 0, rank = 0;
  std::int64_t barriers = 0, operations = 0;
  std::atomic<bool> aborted = false, failed = false;

  /// False where the communicator was aborted meanwhile.
  bool barrier() {
    barriers += 1;
    shared->arrived.fetch_add(1);
    while (shared->arrived.load() < barriers * size) {
      if (aborted) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return !aborted;
  }
};

/// The bytes of an address of the stand-in's memory, which its CUDA library has.
std::byte* host_address(const void* device) {
  using Find = void* (*)(const void*);
  static const auto find =
      reinterpret_cast<Find>(::dlsym(RTLD_DEFAULT, "posttrain_stand_in_host_address"));
  return find ? static_cast<std::byte*>(find(device)) : nullptr;
}

std::size_t size_of(int type) {
  switch (type) {
    case 1:
      return 1;
    case 6:
    case 9:
      return 2;
    case 2:
    case 7:
      return 4;
    default:
      return 8;
  }
}

struct BFloat16 {
  std::uint16_t bits;
  explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
  static BFloat16 of(float value) {
    const auto all = std::bit_cast<std::uint32_t>(value);
    return {static_cast<std::uint16_t>((all + 0x7fffU + (all >> 16 & 1U)) >> 16)};
  }
};

template <class T, class Sum, class Round>
void reduce(const Shared& shared, int ranks, std::size_t count, bool greatest, std::byte* to,
            const Round& round) {
  for (std::size_t i = 0; i < count; ++i) {
    Sum result{};
    for (int rank = 0; rank < ranks; ++rank) {
      T value;
      std::memcpy(&value, shared.pieces[rank] + i * sizeof(T), sizeof(T));
      const Sum own(value);
      result = rank == 0 ? own : greatest ? std::max(result, own) : result + own;
    }
    const T rounded = round(result);
    std::memcpy(to + i * sizeof(T), &rounded, sizeof(T));
  }
}

int reduce_type(const Shared& shared, int ranks, std::size_t count, int type, bool greatest,
                std::byte* to) {
  const auto same = [](auto value) { return value; };
  switch (type) {
    case 1:
      reduce<std::uint8_t, std::uint8_t>(shared, ranks, count, greatest, to, same);
      return kSuccess;
    case 2:
      reduce<std::int32_t, std::int32_t>(shared, ranks, count, greatest, to, same);
      return kSuccess;
    case 4:
      reduce<std::int64_t, std::int64_t>(shared, ranks, count, greatest, to, same);
      return kSuccess;
    case 7:
      reduce<float, float>(shared, ranks, count, greatest, to, same);
      return kSuccess;
    case 8:
      reduce<double, double>(shared, ranks, count, greatest, to, same);
      return kSuccess;
    case 9:
      reduce<BFloat16, float>(shared, ranks, count, greatest, to, &BFloat16::of);
      return kSuccess;
    default:
      return kInvalidArgument;
  }
}

/// Shows the other ranks piece by piece of `bytes` bytes of this one's (null: none), and calls
/// take(begin, size) when all pieces are there. An operation that was aborted ends without an
/// error, as a kernel does.
template <class Take>
int in_pieces(Comm& comm, const std::byte* from, std::size_t bytes, const Take& take) {
  static const char* fails = std::getenv("POSTTRAIN_STAND_IN_NCCL_FAILS");
  comm.operations += 1;
  if (fails && comm.operations == std::atoll(fails)) {
    comm.failed = true;
    while (!comm.aborted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (std::size_t begin = 0; begin < bytes; begin += kPiece) {
    const std::size_t size = std::min(kPiece, bytes - begin);
    if (from) std::memcpy(comm.shared->pieces[comm.rank], from + begin, size);
    if (!comm.barrier()) return kSuccess;
    if (const int result = take(begin, size); result != kSuccess) return result;
    if (!comm.barrier()) return kSuccess;
  }
  return kSuccess;
}

}  // namespace

extern "C" {

int ncclGetVersion(int* version) {
  const char* given = std::getenv("POSTTRAIN_STAND_IN_NCCL_VERSION");
  *version = given ? std::atoi(given) : 22809;
  return kSuccess;
}

int ncclGetUniqueId(UniqueId* id) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  std::snprintf(id->bytes, sizeof id->bytes, "/posttrain-nccl-%d-%lld", ::getpid(),
                static_cast<long long>(now));
  return kSuccess;
}

int ncclCommInitRank(void** made, int ranks, UniqueId id, int rank) {
  if (ranks > kMostRanks || rank < 0 || rank >= ranks) return kInvalidArgument;
  const int file = ::shm_open(id.bytes, O_RDWR | O_CREAT, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) return kSystemError;
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) return kSystemError;
  auto* comm = new Comm;
  comm->shared = static_cast<Shared*>(memory);
  comm->size = ranks;
  comm->rank = rank;
  comm->barrier();
  if (rank == 0) ::shm_unlink(id.bytes);
  *made = comm;
  return kSuccess;
}

int ncclCommAbort(void* comm) {
  static_cast<Comm*>(comm)->aborted = true;
  return kSuccess;
}

int ncclCommGetAsyncError(void* comm, int* error) {
  *error = static_cast<Comm*>(comm)->failed ? kRemoteError : kSuccess;
  return kSuccess;
}

const char* ncclGetErrorString(int result) {
  switch (result) {
    case kSuccess:
      return "no error";
    case kSystemError:
      return "unhandled system error";
    case kRemoteError:
      return "remote process exited or there was a network error";
    default:
      return "invalid argument";
  }
}

const char* ncclGetLastError(void* /*comm*/) { return ""; }

int ncclAllReduce(const void* send, void* receive, std::size_t count, int type, int op, void* comm,
                  void* /*stream*/) {
  auto& own = *static_cast<Comm*>(comm);
  const std::size_t width = size_of(type);
  std::byte* to = host_address(receive);
  return in_pieces(
      own, host_address(send), count * width, [&](std::size_t begin, std::size_t size) {
        return reduce_type(*own.shared, own.size, size / width, type, op == 2, to + begin);
      });
}

int ncclReduceScatter(const void* send, void* receive, std::size_t count, int type, int op,
                      void* comm, void* /*stream*/) {
  auto& own = *static_cast<Comm*>(comm);
  const std::size_t width = size_of(type);
  const std::byte* from = host_address(send);
  std::byte* to = host_address(receive);
  // One rank's part after the other; `receive` may lie in `send`.
  for (int rank = 0; rank < own.size; ++rank) {
    const std::size_t part = static_cast<std::size_t>(rank) * count * width;
    const int result =
        in_pieces(own, from + part, count * width, [&](std::size_t begin, std::size_t size) {
          if (rank != own.rank) return kSuccess;
          return reduce_type(*own.shared, own.size, size / width, type, op == 2, to + begin);
        });
    if (result != kSuccess) return result;
  }
  return kSuccess;
}

int ncclAllGather(const void* send, void* receive, std::size_t count, int type, void* comm,
                  void* /*stream*/) {
  auto& own = *static_cast<Comm*>(comm);
  const std::size_t bytes = count * size_of(type);
  std::byte* to = host_address(receive);
  return in_pieces(own, host_address(send), bytes, [&](std::size_t begin, std::size_t size) {
    for (int rank = 0; rank < own.size; ++rank) {
      std::memcpy(to + static_cast<std::size_t>(rank) * bytes + begin, own.shared->pieces[rank],
                  size);
    }
    return kSuccess;
  });
}

int ncclBroadcast(const void* send, void* receive, std::size_t count, int type, int root,
                  void* comm, void* /*stream*/) {
  auto& own = *static_cast<Comm*>(comm);
  const std::byte* from = own.rank == root ? host_address(send) : nullptr;
  std::byte* to = host_address(receive);
  return in_pieces(own, from, count * size_of(type), [&](std::size_t begin, std::size_t size) {
    std::memcpy(to + begin, own.shared->pieces[root], size);
    return kSuccess;
  });
}
}
