// SPDX-License-Identifier: Apache-2.0
// The whole library's definitions, for one file of a program that is compiled against declarations:
// every file with -DPOSTTRAIN_COMPILED, and one of them, which may be this line alone, with
//
//   #include <posttrain/src.hpp>
//
// Files with a Trainer then compile in less than a third of the time (docs/design.md#compile-cost).
// The functions of hub.hpp hold Trainers of their own: a program that calls them adds
// posttrain/recipes/src.hpp.
#pragma once

#include "posttrain/base/src.hpp"
#include "posttrain/batch/src.hpp"
#include "posttrain/data/src.hpp"
#include "posttrain/data/src_host.hpp"
#include "posttrain/distributed/src.hpp"
#include "posttrain/distributed/src_host.hpp"
#include "posttrain/evaluate/src.hpp"
#include "posttrain/generate/src.hpp"
#include "posttrain/generate/src_host.hpp"
#include "posttrain/hub/src.hpp"
#include "posttrain/io/src.hpp"
#include "posttrain/jinja/src.hpp"
#include "posttrain/losses/src.hpp"
#include "posttrain/models/src.hpp"
#include "posttrain/models/src_host.hpp"
#include "posttrain/nn/src.hpp"
#include "posttrain/optim/src.hpp"
#include "posttrain/params/src.hpp"
#include "posttrain/recipes/src_host.hpp"
#include "posttrain/rewards/src_host.hpp"
#include "posttrain/storage/src.hpp"
#include "posttrain/storage/src_host.hpp"
#include "posttrain/tensor/src.hpp"
#include "posttrain/text/src.hpp"
#include "posttrain/trainer/src.hpp"
#include "posttrain/trainer/src_host.hpp"
#include "posttrain/watch/src.hpp"
