// SPDX-License-Identifier: Apache-2.0
// A stream of a device beside the one that is current: work that goes on while LibTorch's
// operations do, and that they wait for where they need it. The host waits for nothing.
//
//   c10::Event done = side.run([&](void* stream) { … });  // behind what the current stream has to
//   do side.join(done);                                      // the current stream waits for it
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <functional>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

class SideStream {
 public:
  /// Of a device that has streams.
  explicit SideStream(at::Device device);

  at::Device device() const { return stream_.device(); }
  /// For work of LibTorch's own (c10::StreamGuard).
  const c10::Stream& stream() const { return stream_; }

  /// From now on waits for what the current stream has to do.
  void follow() const;
  /// The current stream waits for what this one has to do.
  void lead() const;

  /// Calls `work` with the device current and CUDA's own stream, behind what the current stream has
  /// to do; returns the mark of its end.
  c10::Event run(const std::function<void(void* stream)>& work) const;
  /// The current stream waits for a mark.
  void join(c10::Event& mark) const;

 private:
  c10::Stream current() const;

  c10::Stream stream_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/side_stream.ipp"
#endif
