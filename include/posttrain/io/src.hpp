// SPDX-License-Identifier: Apache-2.0
// Everything of io/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/io/impl/atomic_file.ipp"
#include "posttrain/io/impl/event_file_writer.ipp"
#include "posttrain/io/impl/file.ipp"
#include "posttrain/io/impl/folder_check.ipp"
#include "posttrain/io/impl/gguf.ipp"
#include "posttrain/io/impl/gguf_writer.ipp"
#include "posttrain/io/impl/hub_cache.ipp"
#include "posttrain/io/impl/json.ipp"
#include "posttrain/io/impl/json_lines.ipp"
#include "posttrain/io/impl/model_card.ipp"
#include "posttrain/io/impl/safetensors.ipp"
#include "posttrain/io/impl/safetensors_writer.ipp"
#include "posttrain/io/impl/text_reader.ipp"
#include "posttrain/io/impl/weight_files.ipp"
