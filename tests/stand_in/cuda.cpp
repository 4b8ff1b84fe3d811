// SPDX-License-Identifier: Apache-2.0
// A stand-in CUDA device for the CPU's LibTorch, under the name of LibTorch's own CUDA library: the
// programs of the tests load it as they would load that.
//
// It stands on the CUDA dispatch key itself, so is_cuda(), branches for CUDA and operators that
// only CUDA has run with numbers. An operation is the CPU's kernel on mirrored bytes
// (host_call.hpp); copies, views and CUDA's own operators are here. Not shown by it: races between
// streams, alignment, CUDA's rounding, speed.
#include <ATen/EmptyTensor.h>
#include <ATen/core/Generator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <unordered_set>

#include "stand_in/arena.hpp"
#include "stand_in/flash.hpp"
#include "stand_in/host_call.hpp"

namespace posttrain::stand_in {

Counts& counts() {
  static Counts all;
  return all;
}

namespace {

int number_of_devices() {
  const char* given = std::getenv("POSTTRAIN_STAND_IN_DEVICES");
  return given ? std::atoi(given) : 1;
}

/// Page-locked memory: ordinary one of which it is remembered.
class PinnedMemory final : public c10::Allocator {
 public:
  static PinnedMemory& get() {
    static auto* memory = new PinnedMemory;
    return *memory;
  }
  c10::DataPtr allocate(std::size_t bytes) override {
    void* block = bytes == 0 ? nullptr : std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    const std::scoped_lock lock(mutex_);
    blocks_[block] = bytes;
    counts().pinned += bytes;
    counts().peak_pinned = std::max(counts().peak_pinned.load(), counts().pinned.load());
    return {block, block, &give_back, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
  bool owns(const void* address) {
    const std::scoped_lock lock(mutex_);
    auto after = blocks_.upper_bound(const_cast<void*>(address));
    if (after == blocks_.begin()) return false;
    const auto [begin, bytes] = *std::prev(after);
    return static_cast<const char*>(address) < static_cast<const char*>(begin) + bytes;
  }

 private:
  static void give_back(void* block) {
    PinnedMemory& memory = get();
    const std::scoped_lock lock(memory.mutex_);
    counts().pinned -= memory.blocks_.at(block);
    memory.blocks_.erase(block);
    std::free(block);
  }
  std::mutex mutex_;
  std::map<void*, std::size_t> blocks_;
};

struct Hooks final : at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs /*none*/) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return number_of_devices() > 0; }
  bool hasCUDA() const override { return number_of_devices() > 0; }
  bool hasPrimaryContext(c10::DeviceIndex /*index*/) const override { return true; }
  c10::DeviceIndex current_device() const override { return 0; }
  c10::DeviceIndex deviceCount() const override {
    return static_cast<c10::DeviceIndex>(number_of_devices());
  }
  int getNumGPUs() const override { return number_of_devices(); }
  c10::Device getDeviceFromPtr(void* /*data*/) const override { return {c10::kCUDA, 0}; }
  bool isPinnedPtr(const void* data) const override { return PinnedMemory::get().owns(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &PinnedMemory::get(); }
  c10::Allocator* getCUDADeviceAllocator() const override { return &Arena::get(); }
  void deviceSynchronize(c10::DeviceIndex /*index*/) const override { counts().reads += 1; }
};

/// One stream does everything at once; events are of no effect.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = c10::kCUDA;
  Guard() = default;
  explicit Guard(c10::DeviceType /*type*/) {}
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device device) const override {
    return {c10::kCUDA, std::exchange(current(), device.index())};
  }
  c10::Device getDevice() const override { return {c10::kCUDA, current()}; }
  void setDevice(c10::Device device) const override { current() = device.index(); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    current() = device.index();
  }
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, stream());
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high*/) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, 1);
  }
  c10::Stream getNewStream(c10::Device device, int /*priority*/) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, 1);
  }
  c10::Stream exchangeStream(c10::Stream next) const override {
    return c10::Stream(c10::Stream::UNSAFE, next.device(), std::exchange(stream(), next.id()));
  }
  void record(void** event, const c10::Stream& /*stream*/, c10::DeviceIndex /*index*/,
              c10::EventFlag /*flag*/) const override {
    *event = this_event();
  }
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
  bool queryEvent(void* /*event*/) const override { return true; }
  void* getStreamNativeHandle(const c10::Stream /*stream*/) const override { return nullptr; }
  c10::DeviceIndex deviceCount() const noexcept override {
    return static_cast<c10::DeviceIndex>(number_of_devices());
  }
  bool queryStream(const c10::Stream& /*stream*/) const override { return true; }
  void synchronizeStream(const c10::Stream& /*stream*/) const override { counts().reads += 1; }
  void synchronizeEvent(void* /*event*/) const override { counts().reads += 1; }
  void synchronizeDevice(c10::DeviceIndex /*index*/) const override { counts().reads += 1; }

 private:
  static c10::DeviceIndex& current() {
    thread_local c10::DeviceIndex index = 0;
    return index;
  }
  static c10::StreamId& stream() {
    thread_local c10::StreamId id = 0;
    return id;
  }
  static void* this_event() {
    static int event = 0;
    return &event;
  }
};

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::CUDA);

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> /*layout*/, std::optional<at::Device> /*device*/,
                 std::optional<bool> /*pinned*/, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &Arena::get(), kKeys, dtype.value_or(at::kFloat), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout> /*layout*/,
                         std::optional<at::Device> /*device*/, std::optional<bool> /*pinned*/) {
  return at::detail::empty_strided_generic(size, stride, &Arena::get(), kKeys,
                                           dtype.value_or(at::kFloat));
}

at::Tensor host_view(const at::Tensor& tensor) {
  return tensor.is_cuda() ? HostCall::mirror_of(tensor) : tensor;
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& from, bool non_blocking) {
  if (self.numel() == 0) return self;
  if (self.is_cuda() && from.is_cuda()) {
    counts().operations += 1;
  } else if (self.is_cuda()) {
    counts().uploads += 1;
    if (!PinnedMemory::get().owns(from.storage().data())) counts().blocking_uploads += 1;
  } else if (!(non_blocking && PinnedMemory::get().owns(self.storage().data()))) {
    counts().reads += 1;
  }
  host_view(self).copy_(host_view(from));
  return self;
}

at::Scalar number(const at::Tensor& self) {
  counts().reads += 1;
  return host_view(self).item();
}

const at::Tensor& resize(const at::Tensor& self, at::IntArrayRef size,
                         std::optional<at::MemoryFormat> /*format*/) {
  c10::TensorImpl* tensor = self.unsafeGetTensorImpl();
  tensor->set_sizes_contiguous(size);
  const std::size_t needed = (static_cast<std::size_t>(tensor->numel()) +
                              static_cast<std::size_t>(self.storage_offset())) *
                             self.itemsize();
  c10::StorageImpl* storage = self.storage().unsafeGetStorageImpl();
  if (needed > storage->nbytes()) {
    c10::DataPtr grown = Arena::get().allocate(needed);
    if (storage->nbytes() > 0)
      Arena::get().copy_data(grown.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr(std::move(grown));
    storage->set_nbytes(needed);
  }
  return self;
}

/// bf16 matrices, a product in fp32: CUDA alone has it.
at::Tensor& addmm_to(const at::Tensor& self, const at::Tensor& a, const at::Tensor& b,
                     at::ScalarType type, const at::Scalar& beta, const at::Scalar& alpha,
                     at::Tensor& out) {
  TORCH_CHECK(type == at::kFloat && out.scalar_type() == at::kFloat &&
                  (self.scalar_type() == type || self.scalar_type() == a.scalar_type()),
              "self dtype must match either out_dtype or mat1 dtype");
  counts().operations += 1;
  const at::Tensor wide_a = host_view(a).to(at::kFloat), wide_b = host_view(b).to(at::kFloat);
  host_view(out).copy_(at::addmm(host_view(self).to(at::kFloat), wide_a, wide_b, beta, alpha));
  return out;
}

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                      std::optional<std::int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

void run_on_host(const c10::OperatorHandle& op, c10::DispatchKeySet /*keys*/,
                 torch::jit::Stack* stack) {
  HostCall(op).run(stack);
}

}  // namespace
}  // namespace posttrain::stand_in

extern "C" __attribute__((visibility("default"))) posttrain::stand_in::Counts*
posttrain_stand_in_counts() {
  return &posttrain::stand_in::counts();
}

/// For the driver, whose kernels get addresses of the device; null stays null.
extern "C" __attribute__((visibility("default"))) void* posttrain_stand_in_host_address(
    const void* device) {
  return posttrain::stand_in::Arena::get().host(device);
}

namespace at {
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, posttrain::stand_in::Hooks)
}  // namespace at

namespace c10 {
REGISTER_ALLOCATOR(DeviceType::CUDA, &posttrain::stand_in::Arena::get())
}  // namespace c10

C10_REGISTER_GUARD_IMPL(CUDA, posttrain::stand_in::Guard)

TORCH_LIBRARY_IMPL(_, CUDA, all) {
  all.fallback(torch::CppFunction::makeFromBoxedFunction<&posttrain::stand_in::run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, own) {
  using namespace posttrain::stand_in;
  own.impl("empty.memory_format", &posttrain::stand_in::empty);
  own.impl("empty_strided", &posttrain::stand_in::empty_strided);
  own.impl("as_strided", &posttrain::stand_in::as_strided);
  own.impl("view", &at::native::view);
  own.impl("_reshape_alias", &at::native::_reshape_alias);
  own.impl("unfold", &at::native::unfold);
  own.impl("resize_", &posttrain::stand_in::resize);
  own.impl("copy_", &posttrain::stand_in::copy);
  own.impl("_local_scalar_dense", &posttrain::stand_in::number);
  own.impl("addmm.dtype_out", &posttrain::stand_in::addmm_to);
  own.impl("_flash_attention_forward",
           torch::CppFunction::makeFromBoxedFunction<&posttrain::stand_in::flash_forward>());
  own.impl("_flash_attention_backward",
           torch::CppFunction::makeFromBoxedFunction<&posttrain::stand_in::flash_backward>());
}
