// SPDX-License-Identifier: Apache-2.0
// The threads of one block of a kernel, on the host: fibers that run in turn, each to its next
// barrier. In another order than ascending a missing barrier shows as another result.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace posttrain::stand_in {

class Fibers {
 public:
  static constexpr int kMostThreads = 1024;

  static Fibers& get() {
    static auto* fibers = new Fibers;
    return *fibers;
  }

  int thread() const { return order_[static_cast<std::size_t>(running_)]; }
  int threads() const { return threads_; }
  long long block() const { return block_; }

  /// Runs `body` by each thread of each block. `stride`, a prime above 32 or 1: threads run
  /// in the order 0, stride, 2·stride … modulo their number.
  void run(long long blocks, int threads, int stride, const std::function<void()>& body) {
    check(threads > 0 && threads <= kMostThreads && threads % 32 == 0, "threads of a block");
    threads_ = threads;
    body_ = &body;
    order_.resize(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) {
      order_[static_cast<std::size_t>(i)] =
          static_cast<int>(static_cast<long long>(i) * stride % threads);
    }
    while (fibers_.size() < static_cast<std::size_t>(threads)) add_fiber();
    for (block_ = 0; block_ < blocks; ++block_) {
      arrived_ = 0;
      alive_ = threads;
      for (int i = 0; i < threads; ++i) {
        fibers_[static_cast<std::size_t>(i)]->done = false;
        fibers_[static_cast<std::size_t>(i)]->exchanges = 0;
      }
      long long rounds_without_progress = 0;
      while (alive_ > 0) {
        progress_ = false;
        for (running_ = 0; running_ < threads; ++running_) {
          if (!fibers_[static_cast<std::size_t>(running_)]->done) resume(running_);
        }
        rounds_without_progress = progress_ ? 0 : rounds_without_progress + 1;
        check(rounds_without_progress < 3, "a barrier that some threads of the block never reach");
      }
    }
  }

  /// Returns when all threads of the block are here.
  void barrier() {
    const long long mine = generation_;
    progress_ = true;
    arrived_ += 1;
    if (arrived_ == alive_) {
      arrived_ = 0;
      generation_ += 1;
      return;
    }
    while (generation_ == mine) yield();
  }

  /// What the 32 threads of this thread's warp bring, values of at most 8 bytes. All threads of the
  /// block come here; what they get is good until they come again for the second time.
  template <class Value>
  const Value* exchanged(Value value) {
    static_assert(sizeof(Value) <= sizeof(double));
    Fiber& fiber = *fibers_[static_cast<std::size_t>(running_)];
    fiber.exchanges += 1;
    auto* const slots =
        reinterpret_cast<Value*>(exchange_.data() + (fiber.exchanges % 2) * kMostThreads);
    slots[thread()] = value;
    barrier();
    return slots + thread() / 32 * 32;
  }

 private:
  struct Fiber {
    ucontext_t start{};
    jmp_buf at{};
    bool started = false, done = true;
    std::size_t exchanges = 0;  // of this block
    std::vector<char> stack = std::vector<char>(64 * 1024);
  };

  static void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "the stand-in device met a wrong kernel: %s\n", what);
    std::abort();
  }

  void add_fiber() { fibers_.push_back(std::make_unique<Fiber>()); }

  /// A jump to a fiber, which jumps back here. (swapcontext asks the kernel for signal masks.)
  void resume(int index) {
    Fiber& fiber = *fibers_[static_cast<std::size_t>(index)];
    if (_setjmp(scheduler_) != 0) return;
    if (fiber.started) _longjmp(fiber.at, 1);
    fiber.started = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.data();
    fiber.start.uc_stack.ss_size = fiber.stack.size();
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, &Fibers::live, 0);
    setcontext(&fiber.start);
  }

  void yield() {
    Fiber& fiber = *fibers_[static_cast<std::size_t>(running_)];
    if (_setjmp(fiber.at) == 0) _longjmp(scheduler_, 1);
  }

  /// A fiber's life: one thread after another, of all blocks and kernels.
  static void live() {
    Fibers& all = get();
    for (;;) {
      (*all.body_)();
      all.fibers_[static_cast<std::size_t>(all.running_)]->done = true;
      all.alive_ -= 1;
      all.progress_ = true;
      // Threads that wait may now be all there are.
      if (all.alive_ > 0 && all.arrived_ == all.alive_) {
        all.arrived_ = 0;
        all.generation_ += 1;
      }
      all.yield();
    }
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<int> order_;
  std::vector<double> exchange_ = std::vector<double>(2 * kMostThreads);
  const std::function<void()>* body_ = nullptr;
  jmp_buf scheduler_{};
  int running_ = 0, threads_ = 0, arrived_ = 0, alive_ = 0;
  long long block_ = 0, generation_ = 0;
  bool progress_ = false;
};

}  // namespace posttrain::stand_in
