// SPDX-License-Identifier: Apache-2.0
// What LibTorch's ProcessGroupGloo.hpp uses of the file of this name: see
// distributed/impl/gloo.ipp.
#pragma once

namespace gloo::transport {

class Device;
class UnboundBuffer;

}  // namespace gloo::transport
