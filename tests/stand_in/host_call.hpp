// SPDX-License-Identifier: Apache-2.0
// An operation of the stand-in device: the CPU's kernel on the mirrored bytes of its arguments.
#pragma once

#include <ATen/core/boxing/KernelFunction.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/CPUAllocator.h>

#include <string_view>
#include <utility>
#include <vector>

#include "stand_in/arena.hpp"

namespace posttrain::stand_in {

class HostCall {
 public:
  explicit HostCall(const c10::OperatorHandle& op) : op_(op) {}

  void run(torch::jit::Stack* stack) {
    const std::size_t arguments = op_.schema().arguments().size();
    const std::size_t first = stack->size() - arguments;
    for (std::size_t i = first; i < stack->size(); ++i) (*stack)[i] = on_host((*stack)[i]);
    if (devices_ == 0 && !names_device_) {
      TORCH_CHECK(false, op_.schema().name(),
                  " reached the stand-in device without a tensor of it");
    }
    if (mixed_ && devices_ > 0) {
      TORCH_CHECK(false, "Expected all tensors to be on the same device, but ", op_.schema().name(),
                  " got tensors on cpu and cuda:0");
    }
    counts().operations += 1;
    if (waits()) counts().reads += 1;
    const std::size_t results = op_.schema().returns().size();
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
    for (const Mirrored& each : mirrored_) take_new_shape(each);
    for (std::size_t i = stack->size() - results; i < stack->size(); ++i) {
      (*stack)[i] = on_device((*stack)[i]);
    }
  }

 private:
  struct Mirrored {
    at::Tensor original, host;
  };

  /// Whether the host waits for the device's result, as CUDA's kernel of this name does.
  bool waits() const {
    static constexpr std::string_view kNames[] = {"aten::nonzero",
                                                  "aten::masked_select",
                                                  "aten::equal",
                                                  "aten::_unique2",
                                                  "aten::unique_dim",
                                                  "aten::unique_consecutive",
                                                  "aten::_local_scalar_dense"};
    const std::string& name = op_.schema().name();
    return by_mask_ || std::ranges::find(kNames, std::string_view(name)) != std::end(kNames);
  }

  c10::IValue on_host(const c10::IValue& value) {
    if (value.isTensor()) return on_host(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(on_host(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
        // Indices: a mask is turned into positions first, which the host waits for.
        if (tensor && tensor->defined() && tensor->is_cuda()) {
          by_mask_ =
              by_mask_ || tensor->scalar_type() == at::kBool || tensor->scalar_type() == at::kByte;
        }
        list.push_back(tensor ? std::optional(on_host(*tensor)) : std::nullopt);
      }
      return list;
    }
    if (value.isDevice() && value.toDevice().is_cuda()) {
      names_device_ = true;
      return c10::Device(c10::kCPU);
    }
    return value;
  }

  at::Tensor on_host(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!tensor.is_cuda()) {
      // Numbers of no dimension go to the device as arguments.
      mixed_ = mixed_ || tensor.dim() > 0;
      return tensor;
    }
    devices_ += 1;
    for (const Mirrored& each : mirrored_) {
      if (each.original.is_same(tensor)) return each.host;
    }
    mirrored_.push_back({tensor, mirror_of(tensor)});
    return mirrored_.back().host;
  }

 public:
  /// What an operation made, on the device.
  static at::Tensor copied(const at::Tensor& host) {
    at::Tensor made = at::empty_strided(host.sizes(), host.strides(),
                                        host.options().device(c10::Device(c10::kCUDA, 0)));
    if (host.numel() > 0) mirror_of(made).copy_(host);
    return made;
  }

  /// A tensor of the host on the mirrored bytes.
  static at::Tensor mirror_of(const at::Tensor& tensor) {
    const c10::Storage& storage = tensor.storage();
    c10::Storage mirrored(c10::Storage::use_byte_size_t(), storage.nbytes(),
                          c10::DataPtr(Arena::get().host(storage.data()), c10::Device(c10::kCPU)),
                          c10::GetCPUAllocator(), /*resizable=*/true);
    at::Tensor host = at::detail::make_tensor<c10::TensorImpl>(
        std::move(mirrored), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
    host.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                      tensor.storage_offset());
    if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {
      host.unsafeGetTensorImpl()->set_wrapped_number(true);
    }
    return host;
  }

 private:
  /// An output may have been given another shape, and other memory for it.
  static void take_new_shape(const Mirrored& each) {
    c10::StorageImpl* now = each.host.storage().unsafeGetStorageImpl();
    c10::StorageImpl* before = each.original.storage().unsafeGetStorageImpl();
    if (Arena::get().device(now->data()) == nullptr && now->nbytes() > 0) {
      c10::DataPtr moved = Arena::get().allocate(now->nbytes());
      std::memcpy(Arena::get().host(moved.get()), now->data(), now->nbytes());
      before->set_data_ptr(std::move(moved));
      before->set_nbytes(now->nbytes());
    }
    if (each.host.sizes() != each.original.sizes()) {
      each.original.unsafeGetTensorImpl()->set_sizes_and_strides(
          each.host.sizes(), each.host.strides(), each.host.storage_offset());
    }
  }

  c10::IValue on_device(const c10::IValue& value) const {
    if (value.isTensor()) return on_device(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(on_device(tensor));
      return list;
    }
    return value;
  }

  at::Tensor on_device(const at::Tensor& host) const {
    if (!host.defined()) return host;
    for (const Mirrored& each : mirrored_) {
      if (each.host.is_same(host)) return each.original;
    }
    for (const Mirrored& each : mirrored_) {
      if (host.storage().data() == each.host.storage().data() && host.numel() > 0) {
        TORCH_CHECK(false, op_.schema().name(), " is a view the stand-in device lacks");
      }
    }
    return copied(host);
  }

  const c10::OperatorHandle& op_;
  std::vector<Mirrored> mirrored_;
  std::size_t devices_ = 0;
  bool names_device_ = false, mixed_ = false, by_mask_ = false;
};

}  // namespace posttrain::stand_in
