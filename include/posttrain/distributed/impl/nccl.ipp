// SPDX-License-Identifier: Apache-2.0
// Definitions of nccl.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/distributed/nccl.hpp"

#ifndef POSTTRAIN_NO_CUDA

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "posttrain/distributed/cuda/nccl_library.hpp"
#include "posttrain/tensor/cuda/driver.hpp"
#include "posttrain/tensor/side_stream.hpp"

namespace posttrain {

namespace detail {

inline cuda::NcclLibrary::Type nccl_type(const Tensor& tensor, bool moved) {
  using Nccl = cuda::NcclLibrary;
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Nccl::float32;
    case at::kDouble:
      return Nccl::float64;
    case at::kBFloat16:
      return Nccl::bfloat16;
    case at::kHalf:
      return Nccl::float16;
    case at::kLong:
      return Nccl::int64;
    case at::kInt:
      return Nccl::int32;
    case at::kByte:
      return Nccl::uint8;
    default:
      if (!moved) raise("NCCL does not add numbers of {}", c10::toString(tensor.scalar_type()));
      return Nccl::uint8;
  }
}

/// What NCCL counts of a tensor that is moved as it is: elements, or bytes.
inline std::size_t nccl_count(const Tensor& tensor) {
  const auto type = nccl_type(tensor, /*moved=*/true);
  const bool bytes = type == cuda::NcclLibrary::uint8;
  return bytes ? tensor.nbytes() : static_cast<std::size_t>(tensor.numel());
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, at::Device device)
      : Communicator(host->place()), host_(std::move(host)), side_(device) {
    Nccl::UniqueId id{};
    if (rank() == 0) check(nccl_.get_unique_id(&id), "could not begin");
    agree(id);
    side_.run([&](void*) {
      check(nccl_.comm_init_rank(&comm_, static_cast<int>(size()), id, static_cast<int>(rank())),
            "could not connect the GPUs");
    });
    watcher_ = std::thread([this] { watch(); });
  }

  /// NCCL's own memory goes with the process: at its end NVIDIA's libraries may be gone before this
  /// is.
  ~NcclCommunicator() override {
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    if (watcher_.joinable()) watcher_.join();
  }

  bool takes(at::Device device) const override {
    return device.is_cpu() || device == side_.device();
  }
  void end_with(std::string_view reason) const override { host_->end_with(reason); }
  std::string trouble() const override {
    const std::scoped_lock lock(mutex_);
    return trouble_;
  }

 private:
  using Nccl = cuda::NcclLibrary;

  /// An operation on the GPU, which keeps its tensors.
  class NcclWork final : public Pending::Work {
   public:
    NcclWork(const NcclCommunicator& ranks, c10::Event done, Tensors tensors)
        : ranks_(ranks), done_(std::move(done)), tensors_(std::move(tensors)) {}
    void wait() override {
      ranks_.side_.join(done_);
      tensors_.clear();
      throw_trouble(ranks_.trouble());
    }

   private:
    const NcclCommunicator& ranks_;
    c10::Event done_;
    Tensors tensors_;
  };

  /// While it lives, a call of NCCL is made. Throws where something is amiss.
  class Calling {
   public:
    explicit Calling(NcclCommunicator& ranks) : ranks_(ranks) {
      const std::scoped_lock lock(ranks.mutex_);
      throw_trouble(ranks.trouble_);
      ranks.calls_ += 1;
    }
    ~Calling() {
      const std::scoped_lock lock(ranks_.mutex_);
      ranks_.calls_ -= 1;
      ranks_.changed_.notify_all();
    }
    Calling(const Calling&) = delete;
    Calling& operator=(const Calling&) = delete;

   private:
    NcclCommunicator& ranks_;
  };

  /// Tells this rank's version and GPU, and gets the first rank's id. Every rank throws where one
  /// of them differs.
  void agree(Nccl::UniqueId& id) {
    const std::string own = fmt::format("{}\n{}\n", nccl_.version(), place_of_device()) +
                            std::string(id.bytes, sizeof id.bytes);
    const std::vector<std::string> all = host_->all_texts(own);
    std::vector<std::string> versions, places;
    for (const std::string& text : all) {
      const std::size_t first = text.find('\n'), second = text.find('\n', first + 1);
      versions.push_back(text.substr(0, first));
      places.push_back(text.substr(first + 1, second - first - 1));
      if (versions.size() == 1) std::memcpy(id.bytes, text.data() + second + 1, sizeof id.bytes);
    }
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
      if (versions[rank] != versions[0]) {
        raise("the ranks have different versions of NCCL: rank 0 has {}, rank {} has {}",
              versions[0], rank, versions[rank]);
      }
      for (std::size_t other = 0; other < rank; ++other) {
        if (places[rank] != places[other]) continue;
        raise(
            "ranks {} and {} have the same GPU, {}, and NCCL takes one rank for each; hint: device "
            "\"cuda\" without a number takes that of the rank among those of its machine",
            other, rank, places[rank]);
      }
    }
  }

  /// Which of all GPUs it is.
  std::string place_of_device() const {
    const std::string uuid = cuda::Driver::get().uuid(side_.device().index());
    if (!uuid.empty()) return uuid;
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return fmt::format("{} of {}", side_.device().str(), name);
  }

  void check(Nccl::Result result, std::string_view what) const {
    if (result == Nccl::kSuccess || result == Nccl::kInProgress) return;
    raise("NCCL {} on rank {}: {}", what, rank(), nccl_.text(result));
  }
  static void throw_trouble(const std::string& reason) {
    if (!reason.empty()) raise("an operation among the ranks failed: {}", reason);
  }

  /// Where something is amiss, ends what is under way, but for a call that only begins something
  /// and returns by itself: NCCL gives its memory back with the communicator. One that does not
  /// return, as it may while it connects, is ended like the rest.
  void watch() {
    constexpr auto kInterval = std::chrono::milliseconds(200);
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kInterval, [this] { return ending_; })) {
      lock.unlock();
      std::string found = host_->trouble();
      Nccl::Result result = Nccl::kSuccess;
      if (found.empty() && nccl_.comm_get_async_error(comm_, &result) == Nccl::kSuccess &&
          result != Nccl::kSuccess && result != Nccl::kInProgress) {
        found = "NCCL: " + nccl_.text(result);
      }
      lock.lock();
      if (found.empty()) continue;
      trouble_ = found;  // no call begins from here on
      changed_.wait_for(lock, std::chrono::seconds(2), [this] { return calls_ == 0; });
      lock.unlock();
      nccl_.comm_abort(comm_);
      return;
    }
  }

  template <class Call>
  Pending on_stream(const char* operation, Tensors tensors, const Call& call) {
    for (const Tensor& tensor : tensors) {
      if (tensor.device() != side_.device()) {
        raise("{}: expected a tensor on {}, got one on {}", operation, side_.device().str(),
              tensor.device().str());
      }
    }
    const Calling calling(*this);
    c10::Event done = side_.run([&](void* stream) { check(call(stream), operation); });
    return Pending(std::make_unique<NcclWork>(*this, std::move(done), std::move(tensors)));
  }

  Pending begin_all_reduce(const Tensor& tensor, Reduction reduction) override {
    if (tensor.is_cpu()) return host_->all_reduce(tensor, reduction);
    return on_stream("all_reduce", {tensor}, [&](Nccl::Stream stream) {
      return nccl_.all_reduce(tensor.const_data_ptr(), tensor.mutable_data_ptr(),
                              static_cast<std::size_t>(tensor.numel()), nccl_type(tensor, false),
                              reduction == Reduction::max ? Nccl::max : Nccl::sum, comm_, stream);
    });
  }
  Pending begin_reduce_scatter(const Tensor& part, const Tensor& whole) override {
    if (whole.is_cpu()) return host_->reduce_scatter(part, whole);
    return on_stream("reduce_scatter", {part, whole}, [&](Nccl::Stream stream) {
      return nccl_.reduce_scatter(whole.const_data_ptr(), part.mutable_data_ptr(),
                                  static_cast<std::size_t>(part.numel()), nccl_type(part, false),
                                  Nccl::sum, comm_, stream);
    });
  }
  Pending begin_all_gather(const Tensor& whole, const Tensor& part) override {
    if (whole.is_cpu()) return host_->all_gather(whole, part);
    return on_stream("all_gather", {whole, part}, [&](Nccl::Stream stream) {
      return nccl_.all_gather(part.const_data_ptr(), whole.mutable_data_ptr(), nccl_count(part),
                              nccl_type(part, true), comm_, stream);
    });
  }
  Pending begin_broadcast(const Tensor& tensor, std::int64_t from) override {
    if (tensor.is_cpu()) return host_->broadcast(tensor, from);
    return on_stream("broadcast", {tensor}, [&](Nccl::Stream stream) {
      return nccl_.broadcast(tensor.const_data_ptr(), tensor.mutable_data_ptr(), nccl_count(tensor),
                             nccl_type(tensor, true), static_cast<int>(from), comm_, stream);
    });
  }

  std::unique_ptr<Communicator> host_;
  SideStream side_;
  const Nccl& nccl_ = Nccl::get();
  Nccl::Comm comm_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  int calls_ = 0;  // of NCCL, under way
  std::string trouble_;
  std::thread watcher_;
};

}  // namespace detail

POSTTRAIN_INLINE std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host,
                                                                 at::Device device) {
  return std::make_unique<detail::NcclCommunicator>(std::move(host), device);
}

}  // namespace posttrain

#else

namespace posttrain {

POSTTRAIN_INLINE std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host,
                                                                 at::Device device) {
  raise("{} ranks on {}, and this program was compiled with -Dcuda=disabled", host->size(),
        device.str());
}

}  // namespace posttrain

#endif
