// SPDX-License-Identifier: Apache-2.0
// Everything of tensor/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#ifndef POSTTRAIN_NO_CUDA
#include "posttrain/tensor/cuda/impl/compiler.ipp"
#include "posttrain/tensor/cuda/impl/kernel.ipp"
#endif
#include "posttrain/tensor/impl/device.ipp"
#include "posttrain/tensor/impl/differentiable.ipp"
#include "posttrain/tensor/impl/first_non_finite.ipp"
#include "posttrain/tensor/impl/host_parts.ipp"
#include "posttrain/tensor/impl/host_ring.ipp"
#include "posttrain/tensor/impl/metric_means.ipp"
#include "posttrain/tensor/impl/side_stream.ipp"
#include "posttrain/tensor/impl/transfer.ipp"
