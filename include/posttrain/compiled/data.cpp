// SPDX-License-Identifier: Apache-2.0
// The compiled library: data policies, layouts and errors; needs no LibTorch (base/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/base/error_impl.hpp"
#include "posttrain/data/documents_impl.hpp"
#include "posttrain/data/formats/records_impl.hpp"
#include "posttrain/data/messages_impl.hpp"
#include "posttrain/data/pipeline/packing_impl.hpp"
#include "posttrain/data/pipeline/pair_loading_impl.hpp"
#include "posttrain/data/pipeline/report_impl.hpp"
#include "posttrain/data/pipeline/sequence_store_impl.hpp"
#include "posttrain/data/pipeline/step_loading_impl.hpp"
#include "posttrain/data/pipeline/supervised_impl.hpp"
#include "posttrain/data/tokenized_impl.hpp"
#include "posttrain/models/layout_impl.hpp"
