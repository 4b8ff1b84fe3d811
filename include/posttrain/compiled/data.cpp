// SPDX-License-Identifier: Apache-2.0
// The compiled library: data policies, layouts and errors; needs no LibTorch (core/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/core/error_impl.hpp"
#include "posttrain/data/documents_impl.hpp"
#include "posttrain/data/messages_impl.hpp"
#include "posttrain/data/packing_impl.hpp"
#include "posttrain/data/preference_loading_impl.hpp"
#include "posttrain/data/records_impl.hpp"
#include "posttrain/data/report_impl.hpp"
#include "posttrain/data/sequence_store_impl.hpp"
#include "posttrain/data/stepped_loading_impl.hpp"
#include "posttrain/data/supervised_impl.hpp"
#include "posttrain/data/tokenized_impl.hpp"
#include "posttrain/models/decoder_layout_impl.hpp"
