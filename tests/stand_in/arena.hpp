// SPDX-License-Identifier: Apache-2.0
// The memory of the stand-in device: addresses that the host cannot touch, and a mirror of them
// that only operations use.
//
// An address of the device lies in a range that is mapped without any right, so a host access is a
// fault at its instruction; the handler names it. The bytes are in a second range, at the same
// distance from its begin. New memory is poisoned (all bits 1: NaN as a float, -1 as an integer).
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "support/stand_in_cuda.hpp"

namespace posttrain::stand_in {

class Arena final : public c10::DeviceAllocator {
 public:
  static constexpr std::size_t kSize = std::size_t{1} << 40;

  static Arena& get() {
    static auto* arena = new Arena;  // outlives every tensor of the process
    return *arena;
  }

  c10::DataPtr allocate(std::size_t bytes) override {
    const c10::Device device(c10::kCUDA, 0);
    if (bytes == 0) return {nullptr, device};
    void* block = take(bytes);
    return {block, block, &give_back, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(host(to), host(from), bytes);
  }

  /// The bytes of an address of the device.
  void* host(const void* address) const {
    if (address == nullptr) return nullptr;
    TORCH_CHECK(owns(address), "the stand-in device got an address of the host");
    return mirror_ + (static_cast<const char*>(address) - device_);
  }
  bool owns(const void* address) const {
    const char* at = static_cast<const char*>(address);
    return at >= device_ && at < device_ + kSize;
  }
  /// The address of the device for one of the mirror, or nullptr.
  void* device(const void* mirrored) const {
    const char* at = static_cast<const char*>(mirrored);
    return at >= mirror_ && at < mirror_ + kSize ? device_ + (at - mirror_) : nullptr;
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {}
  void recordStream(const c10::DataPtr& /*block*/, c10::Stream /*stream*/) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex /*device*/) override {
    const std::scoped_lock lock(mutex_);
    c10::CachingDeviceAllocator::DeviceStats stats;
    for (c10::CachingAllocator::Stat* stat :
         {&stats.allocated_bytes[0], &stats.reserved_bytes[0]}) {
      stat->current = static_cast<std::int64_t>(used_);
      stat->peak = static_cast<std::int64_t>(peak_);
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex /*device*/) override {}
  void resetPeakStats(c10::DeviceIndex /*device*/) override {
    const std::scoped_lock lock(mutex_);
    peak_ = used_;
  }
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex /*device*/) {
    const std::scoped_lock lock(mutex_);
    return {counts().memory - used_, counts().memory};
  }

 private:
  Arena() : device_(map(PROT_NONE)), mirror_(map(PROT_READ | PROT_WRITE)) {
    struct sigaction action = {};
    action.sa_sigaction = &report_fault;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSEGV, &action, nullptr);
  }

  static char* map(int rights) {
    void* range =
        ::mmap(nullptr, kSize, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TORCH_CHECK(range != MAP_FAILED, "no address space for the stand-in device");
    return static_cast<char*>(range);
  }

  void* take(std::size_t bytes) {
    const std::size_t size = (bytes + 511) / 512 * 512;
    const std::scoped_lock lock(mutex_);
    if (used_ + size > counts().memory) {
      // As CUDA's allocator says it.
      const double mib = 1024.0 * 1024.0;
      TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ",
                       static_cast<double>(bytes) / mib, " MiB. GPU 0 has a total capacity of ",
                       static_cast<double>(counts().memory) / mib, " MiB");
    }
    const std::size_t begin = place_of(size);
    sizes_[begin] = size;
    used_ += size;
    peak_ = std::max(peak_, used_);
    std::memset(mirror_ + begin, 0xff, size);
    return device_ + begin;
  }

  /// A block that was given back, or the next one: address space is plenty.
  std::size_t place_of(std::size_t size) {
    std::vector<std::size_t>& free = free_[size];
    if (free.empty()) {
      TORCH_CHECK(end_ + size <= kSize, "the stand-in device has no address left");
      return std::exchange(end_, end_ + size);
    }
    const std::size_t begin = free.back();
    free.pop_back();
    return begin;
  }

  static void give_back(void* block) {
    Arena& arena = get();
    const std::scoped_lock lock(arena.mutex_);
    const auto begin = static_cast<std::size_t>(static_cast<char*>(block) - arena.device_);
    const std::size_t size = arena.sizes_.at(begin);
    arena.used_ -= size;
    arena.free_[size].push_back(begin);
  }

  static void report_fault(int signal, siginfo_t* info, void* /*context*/) {
    if (get().owns(info->si_addr)) {
      constexpr char kText[] = "the host touched memory of the stand-in CUDA device:\n";
      [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kText, sizeof(kText) - 1);
      void* frames[40];
      ::backtrace_symbols_fd(frames, ::backtrace(frames, 40), STDERR_FILENO);
    }
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }

  char* device_;
  char* mirror_;
  std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<std::size_t>> free_;  // size → begins
  std::unordered_map<std::size_t, std::size_t> sizes_;              // begin → size
  std::size_t end_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace posttrain::stand_in
