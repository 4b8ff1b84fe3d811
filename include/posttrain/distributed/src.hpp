// SPDX-License-Identifier: Apache-2.0
// Everything of distributed/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#ifndef POSTTRAIN_NO_CUDA
#include "posttrain/distributed/cuda/impl/nccl_library.ipp"
#endif
#include "posttrain/distributed/impl/communicator.ipp"
#include "posttrain/distributed/impl/gloo.ipp"
#include "posttrain/distributed/impl/meeting.ipp"
#include "posttrain/distributed/impl/mpi.ipp"
#include "posttrain/distributed/impl/nccl.ipp"
#include "posttrain/distributed/impl/pulse.ipp"
#include "posttrain/distributed/impl/ranks.ipp"
#include "posttrain/distributed/impl/shared_work.ipp"
