// SPDX-License-Identifier: Apache-2.0
// Definitions of side_stream.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "posttrain/base/compiled.hpp"
#include "posttrain/tensor/side_stream.hpp"

namespace posttrain {

namespace detail {

/// What is asked of `second` from now on waits for what was asked of `first`.
inline void wait_in_order(const c10::Stream& first, const c10::Stream& second) {
  c10::Event event(first.device_type());
  event.record(first);
  event.block(second);
}

}  // namespace detail

POSTTRAIN_INLINE SideStream::SideStream(at::Device device)
    : stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)) {}

POSTTRAIN_INLINE c10::Stream SideStream::current() const {
  return c10::impl::VirtualGuardImpl(device().type()).getStream(device());
}

POSTTRAIN_INLINE void SideStream::follow() const { detail::wait_in_order(current(), stream_); }
POSTTRAIN_INLINE void SideStream::lead() const { detail::wait_in_order(stream_, current()); }

POSTTRAIN_INLINE c10::Event SideStream::run(const std::function<void(void*)>& work) const {
  const c10::DeviceGuard on(device());
  follow();
  work(stream_.native_handle());
  c10::Event done(device().type());
  done.record(stream_);
  return done;
}

POSTTRAIN_INLINE void SideStream::join(c10::Event& mark) const { mark.block(current()); }

}  // namespace posttrain
