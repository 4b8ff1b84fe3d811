// SPDX-License-Identifier: Apache-2.0
// Definitions of mpi.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <chrono>
#include <memory>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/mpi.hpp"

#ifdef POSTTRAIN_HAS_MPI

// The C interface alone: the C++ one is no part of MPI any more.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#endif
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "posttrain/distributed/pulse.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// MPI's calls come one at a time.
inline std::mutex& mpi_turn() {
  static std::mutex mutex;
  return mutex;
}

inline void check_mpi(int result, const char* what) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(result, text, &length);
  raise("MPI: {}: {}", what, std::string(text, static_cast<std::size_t>(length)));
}

/// Begins MPI unless the program has; returns whether it did.
inline bool begin_mpi() {
  static const bool begun = [] {
    int already = 0, level = MPI_THREAD_SINGLE;
    MPI_Initialized(&already);
    if (already != 0) {
      MPI_Query_thread(&level);
    } else {
      check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "begin");
    }
    if (level < MPI_THREAD_SERIALIZED) {
      fail(
          "MPI serves a single thread only, and gradients are added up by more than one; hint: "
          "MPI_Init_thread with MPI_THREAD_SERIALIZED");
    }
    return already == 0;
  }();
  return begun;
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(const RankPlace& place, const Meeting& meeting, std::chrono::milliseconds timeout,
                  std::int64_t most)
      : Communicator(place),
        most_(most),
        pulse_(std::make_shared<Pulse>(meeting, place, timeout)),
        begun_(begin_mpi()) {
    int rank = 0, size = 1;
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &all_), "connect");
    MPI_Comm_set_errhandler(all_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(all_, &rank);
    MPI_Comm_size(all_, &size);
    if (rank != place.rank || size != place.size) {
      raise("the launcher says rank {} of {}, and MPI rank {} of {}; hint: mpirun of the same MPI",
            place.rank, place.size, rank, size);
    }
  }

  /// Ends MPI where this process has begun it, and no rank is gone: MPI would wait for it.
  ~MpiCommunicator() override {
    if (!begun_ || !pulse_->trouble().empty()) return;
    int ended = 0;
    MPI_Finalized(&ended);
    if (ended == 0) MPI_Finalize();
  }

  void end_with(std::string_view reason) const override { pulse_->end_with(reason); }
  std::string trouble() const override { return pulse_->trouble(); }

 private:
  /// Operations under way, and what follows when all are done.
  class MpiWork final : public Pending::Work {
   public:
    MpiWork(std::vector<MPI_Request> requests, Tensors tensors, std::function<void()> then,
            std::shared_ptr<Pulse> pulse, const char* operation)
        : requests_(std::move(requests)),
          tensors_(std::move(tensors)),
          then_(std::move(then)),
          pulse_(std::move(pulse)),
          operation_(operation) {}

    void wait() override {
      int done = 0;
      for (std::int64_t look = 0;; ++look) {
        {
          const std::scoped_lock turn(mpi_turn());
          const int result = MPI_Testall(static_cast<int>(requests_.size()), requests_.data(),
                                         &done, MPI_STATUSES_IGNORE);
          if (result != MPI_SUCCESS) {
            const std::string reason = pulse_->trouble_soon();
            if (!reason.empty()) raise("{} among the ranks failed: {}", operation_, reason);
            check_mpi(result, operation_);
          }
        }
        if (done != 0) break;
        if (look % 1000 == 999) {
          const std::string reason = pulse_->trouble();
          if (!reason.empty()) raise("{} among the ranks failed: {}", operation_, reason);
        }
        // Others may share the processor.
        look < 100 ? std::this_thread::yield()
                   : std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
      if (then_) then_();
      tensors_.clear();
    }

   private:
    std::vector<MPI_Request> requests_;
    Tensors tensors_;
    std::function<void()> then_;
    std::shared_ptr<Pulse> pulse_;
    const char* operation_;
  };

  static MPI_Datatype type_of(const Tensor& tensor) {
    switch (tensor.scalar_type()) {
      case at::kFloat:
        return MPI_FLOAT;
      case at::kDouble:
        return MPI_DOUBLE;
      case at::kLong:
        return MPI_INT64_T;
      case at::kInt:
        return MPI_INT32_T;
      case at::kByte:
        return MPI_UINT8_T;
      default:
        raise("MPI does not add numbers of {}", c10::toString(tensor.scalar_type()));
    }
  }

  static bool is_half(const Tensor& tensor) {
    return tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kHalf;
  }

  /// Calls begin(first, count, request) for pieces that MPI's counts have room for, none across a
  /// multiple of `within` (0: whatever).
  template <class Begin>
  Pending in_pieces(const char* operation, std::int64_t count, Tensors tensors, const Begin& begin,
                    std::function<void()> then = {}, std::int64_t within = 0) {
    std::vector<MPI_Request> requests;
    const std::scoped_lock turn(mpi_turn());
    for (std::int64_t first = 0, size = 0; first < count; first += size) {
      size = std::min(most_, count - first);
      if (within > 0) size = std::min(size, within - first % within);
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(begin(first, static_cast<int>(size), &request), operation);
      requests.push_back(request);
    }
    return Pending(std::make_unique<MpiWork>(std::move(requests), std::move(tensors),
                                             std::move(then), pulse_, operation));
  }

  static char* at(const Tensor& tensor, std::int64_t element) {
    return static_cast<char*>(tensor.mutable_data_ptr()) +
           element * static_cast<std::int64_t>(tensor.element_size());
  }

  Pending begin_all_reduce(const Tensor& tensor, Reduction reduction) override {
    const Tensor sum = is_half(tensor) ? tensor.to(at::kFloat) : tensor;
    std::function<void()> then;
    if (is_half(tensor)) then = [tensor, sum] { tensor.copy_(sum); };
    const MPI_Op op = reduction == Reduction::max ? MPI_MAX : MPI_SUM;
    return in_pieces(
        "all_reduce", sum.numel(), {sum},
        [&](std::int64_t first, int count, MPI_Request* request) {
          return MPI_Iallreduce(MPI_IN_PLACE, at(sum, first), count, type_of(sum), op, all_,
                                request);
        },
        std::move(then));
  }
  Pending begin_reduce_scatter(const Tensor& part, const Tensor& whole) override {
    const Tensor from = is_half(whole) ? whole.to(at::kFloat) : whole;
    const Tensor sum = at::empty_like(part, from.options());  // `part` may lie in `whole`
    const std::int64_t n = part.numel();
    std::function<void()> then = [part, sum] { part.copy_(sum); };
    if (n <= most_) {
      return in_pieces(
          "reduce_scatter", n, {from, sum},
          [&](std::int64_t, int count, MPI_Request* request) {
            return MPI_Ireduce_scatter_block(from.const_data_ptr(), sum.mutable_data_ptr(), count,
                                             type_of(from), MPI_SUM, all_, request);
          },
          std::move(then));
    }
    // Larger than MPI's counts: each rank's part by operations of its own.
    return in_pieces(
        "reduce_scatter", n * size(), {from, sum},
        [&](std::int64_t first, int count, MPI_Request* request) {
          return MPI_Ireduce(at(from, first), at(sum, first % n), count, type_of(from), MPI_SUM,
                             static_cast<int>(first / n), all_, request);
        },
        std::move(then), n);
  }
  Pending begin_all_gather(const Tensor& whole, const Tensor& part) override {
    // Bytes, whatever they mean. MPI forbids that the two share memory.
    const bool inside = part.is_alias_of(whole);
    const Tensor own = inside ? part.clone() : part;
    const auto n = static_cast<std::int64_t>(part.nbytes());
    if (n <= most_) {
      return in_pieces(
          "all_gather", n, {own, whole}, [&](std::int64_t, int count, MPI_Request* request) {
            return MPI_Iallgather(own.const_data_ptr(), count, MPI_BYTE, whole.mutable_data_ptr(),
                                  count, MPI_BYTE, all_, request);
          });
    }
    // Larger than MPI's counts: every rank tells its own.
    const Tensor bytes = whole.view(at::kByte);
    if (!inside) piece_of(bytes).copy_(own.view(at::kByte));
    return in_pieces(
        "all_gather", n * size(), {bytes},
        [&](std::int64_t first, int count, MPI_Request* request) {
          return MPI_Ibcast(at(bytes, first), count, MPI_BYTE, static_cast<int>(first / n), all_,
                            request);
        },
        {}, n);
  }
  Pending begin_broadcast(const Tensor& tensor, std::int64_t from) override {
    const Tensor bytes = tensor.view(at::kByte);
    return in_pieces("broadcast", bytes.numel(), {bytes},
                     [&](std::int64_t first, int count, MPI_Request* request) {
                       return MPI_Ibcast(at(bytes, first), count, MPI_BYTE, static_cast<int>(from),
                                         all_, request);
                     });
  }

  std::int64_t most_;  // elements of an operation
  std::shared_ptr<Pulse> pulse_;
  bool begun_;  // MPI, by this
  MPI_Comm all_ = MPI_COMM_NULL;
};

}  // namespace detail

POSTTRAIN_INLINE bool has_mpi() { return true; }

POSTTRAIN_INLINE std::unique_ptr<Communicator> mpi_communicator(const RankPlace& place,
                                                                const Meeting& meeting,
                                                                std::chrono::milliseconds timeout,
                                                                std::int64_t most) {
  return std::make_unique<detail::MpiCommunicator>(place, meeting, timeout, most);
}

}  // namespace posttrain

#else

namespace posttrain {

POSTTRAIN_INLINE bool has_mpi() { return false; }

POSTTRAIN_INLINE std::unique_ptr<Communicator> mpi_communicator(const RankPlace& place,
                                                                const Meeting&,
                                                                std::chrono::milliseconds,
                                                                std::int64_t) {
  raise(
      "{} ranks were started, and this build has no MPI to connect them; hint: -Dmpi=enabled "
      "(docs/ranks.md#mpi), or Ranks::Backend::gloo",
      place.size);
}

}  // namespace posttrain

#endif
