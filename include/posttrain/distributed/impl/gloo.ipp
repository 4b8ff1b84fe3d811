// SPDX-License-Identifier: Apache-2.0
// Definitions of gloo.hpp, compiled once (base/compiled.hpp).
//
// LibTorch ships the class and no header of Gloo itself. What the class holds of Gloo it holds
// behind pointers, so that the few declarations of distributed/stubs/ serve to compile against it;
// a build that has Gloo's own headers takes those (-idirafter).
#pragma once

#include <chrono>
#include <memory>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/gloo.hpp"

#ifdef POSTTRAIN_HAS_GLOO

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <utility>
#include <vector>

#include "posttrain/base/error_text.hpp"
#include "posttrain/distributed/impl/meeting.ipp"
#include "posttrain/distributed/pulse.hpp"

namespace posttrain {

namespace detail {

class GlooCommunicator final : public Communicator {
 public:
  GlooCommunicator(const RankPlace& place, const Meeting& meeting,
                   std::chrono::milliseconds timeout)
      : Communicator(place), pulse_(std::make_shared<Pulse>(meeting, place, timeout)) {
    using c10d::ProcessGroupGloo;
    // Which rank is gone is the pulse's to say: one that writes a large file for long is not.
    auto options = ProcessGroupGloo::Options::create(std::chrono::hours(24));
    options->devices.push_back(device(place));
    try {
      group_ = c10::make_intrusive<ProcessGroupGloo>(meeting.store().of_run,
                                                     static_cast<int>(place.rank),
                                                     static_cast<int>(place.size), options);
    } catch (const std::exception& error) {
      raise("rank {} could not connect with the others by Gloo: {}", place.rank, error_text(error));
    }
  }

  void end_with(std::string_view reason) const override { pulse_->end_with(reason); }
  std::string trouble() const override { return pulse_->trouble(); }

  /// Gloo waits for what is under way before it ends. What waits for a rank that is gone would
  /// never end, and is left behind.
  ~GlooCommunicator() override {
    if (!pulse_->trouble().empty()) static_cast<void>(group_.release());
  }

 private:
  /// An operation that ends early where a rank is gone.
  class GlooWork final : public Pending::Work {
   public:
    GlooWork(c10::intrusive_ptr<c10d::Work> work, std::shared_ptr<Pulse> pulse,
             const char* operation)
        : work_(std::move(work)), pulse_(std::move(pulse)), operation_(operation) {}

    void wait() override {
      constexpr auto kLook = std::chrono::milliseconds(200);
      for (bool done = false; !done;) {
        done = work_->isCompleted();
        try {
          work_->wait(kLook);
          return;
        } catch (const std::exception& error) {
          std::string reason = done ? pulse_->trouble_soon() : pulse_->trouble();
          if (reason.empty() && done) reason = error_text(error);
          if (!reason.empty()) raise("{} among the ranks failed: {}", operation_, reason);
        }
      }
    }

   private:
    c10::intrusive_ptr<c10d::Work> work_;
    std::shared_ptr<Pulse> pulse_;
    const char* operation_;
  };

  static std::shared_ptr<::gloo::transport::Device> device(const RankPlace& place) {
    using c10d::ProcessGroupGloo;
    if (const char* name = std::getenv("GLOO_SOCKET_IFNAME"); name && *name) {
      return ProcessGroupGloo::createDeviceForInterface(name);
    }
    if (place.on_one_machine()) return ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
    return ProcessGroupGloo::createDefaultDevice();
  }

  /// Begins an operation; one that fails at once fails as a later one does.
  template <class Begin>
  Pending pending(const char* operation, const Begin& begin) {
    return Pending(std::make_unique<GlooWork>(begin(), pulse_, operation));
  }

  Pending begin_all_reduce(const Tensor& tensor, Reduction reduction) override {
    return pending("all_reduce", [&] {
      c10d::AllreduceOptions options;
      if (reduction == Reduction::max) options.reduceOp = c10d::ReduceOp::MAX;
      Tensors tensors{tensor};
      return group_->allreduce(tensors, options);
    });
  }
  Pending begin_reduce_scatter(const Tensor& part, const Tensor& whole) override {
    // Gloo's class makes it of an all-reduce of a copy.
    if (part.is_alias_of(whole)) return begin_all_reduce(whole, Reduction::sum);
    return pending("reduce_scatter", [&] {
      Tensor into = part, from = whole;
      return group_->_reduce_scatter_base(into, from);
    });
  }
  Pending begin_all_gather(const Tensor& whole, const Tensor& part) override {
    return pending("all_gather", [&] {
      Tensor into = whole, from = part;
      return group_->_allgather_base(into, from);
    });
  }
  Pending begin_broadcast(const Tensor& tensor, std::int64_t from) override {
    return pending("broadcast", [&] {
      c10d::BroadcastOptions options;
      options.rootRank = from;
      Tensors tensors{tensor};
      return group_->broadcast(tensors, options);
    });
  }

  std::shared_ptr<Pulse> pulse_;
  // Of the base class, whose names of operations are those of every version.
  c10::intrusive_ptr<c10d::Backend> group_;
};

}  // namespace detail

POSTTRAIN_INLINE bool has_gloo() { return true; }

POSTTRAIN_INLINE std::unique_ptr<Communicator> gloo_communicator(
    const RankPlace& place, const Meeting& meeting, std::chrono::milliseconds timeout) {
  return std::make_unique<detail::GlooCommunicator>(place, meeting, timeout);
}

}  // namespace posttrain

#else

namespace posttrain {

POSTTRAIN_INLINE bool has_gloo() { return false; }

POSTTRAIN_INLINE std::unique_ptr<Communicator> gloo_communicator(const RankPlace& place,
                                                                 const Meeting&,
                                                                 std::chrono::milliseconds) {
  raise(
      "{} ranks were started, and this build has no Gloo to connect them; hint: a LibTorch with "
      "Gloo, as its wheels are, or MPI (docs/ranks.md#mpi)",
      place.size);
}

}  // namespace posttrain

#endif
