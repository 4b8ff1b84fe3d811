// SPDX-License-Identifier: Apache-2.0
// What ranks say to each other: collective operations on tensors. Every rank calls the same ones in
// the same order, with tensors of the same size and type.
//
//   Pending sum = ranks.all_reduce(gradient);  // begun; other work may go on
//   sum.wait();                                // gradient holds the sum, the same bits on each
//   rank
//
// Backends: Single (one process), Gloo and MPI on the host (distributed/gloo.hpp, mpi.hpp), NCCL
// between GPUs (distributed/nccl.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/distributed/rank_place.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// An operation under way. Its tensors are neither read nor written before `wait` returns.
class Pending {
 public:
  class Work {
   public:
    virtual ~Work() = default;
    /// Throws where the operation failed.
    virtual void wait() = 0;
  };

  Pending() = default;  // nothing is under way
  explicit Pending(std::unique_ptr<Work> work) : work_(std::move(work)) {}

  /// Waits once; a second call returns at once.
  void wait() {
    if (const std::unique_ptr<Work> work = std::move(work_)) work->wait();
  }

 private:
  std::unique_ptr<Work> work_;
};

/// Operations of a rank so far, and the bytes that it put into them (those of a tensor, whatever a
/// backend sends to carry them).
struct Traffic {
  std::int64_t calls = 0, bytes = 0;
};

class Communicator {
 public:
  enum class Reduction { sum, max };

  explicit Communicator(RankPlace place) : place_(std::move(place)) {}
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const RankPlace& place() const { return place_; }
  std::int64_t rank() const { return place_.rank; }
  std::int64_t size() const { return place_.size; }
  const Traffic& traffic() const { return traffic_; }

  /// This rank's part of a flat tensor [size · n]: elements [rank · n, (rank + 1) · n).
  Tensor piece_of(const Tensor& whole) const;

  /// The sum, or the greatest, of each element over all ranks, in place.
  Pending all_reduce(const Tensor& tensor, Reduction reduction = Reduction::sum);
  /// Element i of `part` [n] is the sum of element rank · n + i of every rank's `whole` [size · n].
  /// `part` may be `piece_of(whole)`; the rest of `whole` is undefined then.
  Pending reduce_scatter(const Tensor& part, const Tensor& whole);
  /// `whole` [size · n] is every rank's `part` [n], one behind the other. `part` may be
  /// `piece_of(whole)`.
  Pending all_gather(const Tensor& whole, const Tensor& part);
  /// Rank `from`'s elements, in place.
  Pending broadcast(const Tensor& tensor, std::int64_t from);
  /// Returns when every rank has come here.
  void barrier();

  /// Whether it moves tensors of this device.
  virtual bool takes(at::Device device) const { return device.is_cpu(); }

  /// Tells the other ranks why this one ends, where the backend can.
  virtual void end_with(std::string_view reason) const { static_cast<void>(reason); }
  /// What is known to have happened to another rank; empty: nothing.
  virtual std::string trouble() const { return {}; }

  /// Every rank's text, in the order of ranks.
  std::vector<std::string> all_texts(std::string_view own);

 private:
  // Of checked tensors, as [n].
  virtual Pending begin_all_reduce(const Tensor& tensor, Reduction reduction) = 0;
  virtual Pending begin_reduce_scatter(const Tensor& part, const Tensor& whole) = 0;
  virtual Pending begin_all_gather(const Tensor& whole, const Tensor& part) = 0;
  virtual Pending begin_broadcast(const Tensor& tensor, std::int64_t from) = 0;

  void count(const Tensor& tensor, const char* operation);

  RankPlace place_;
  Traffic traffic_;
};

/// How many ranks there are; null: one.
inline std::int64_t size_of(const Communicator* ranks) { return ranks ? ranks->size() : 1; }

/// One process: every operation is done when it is called.
class Single final : public Communicator {
 public:
  Single() : Communicator(RankPlace{}) {}
  bool takes(at::Device) const override { return true; }

 private:
  Pending begin_all_reduce(const Tensor& tensor, Reduction reduction) override;
  Pending begin_reduce_scatter(const Tensor& part, const Tensor& whole) override;
  Pending begin_all_gather(const Tensor& whole, const Tensor& part) override;
  Pending begin_broadcast(const Tensor& tensor, std::int64_t from) override;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/communicator.ipp"
#endif
