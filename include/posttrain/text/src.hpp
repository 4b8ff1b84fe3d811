// SPDX-License-Identifier: Apache-2.0
// Everything of text/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/text/gguf/impl/chat_files.ipp"
#include "posttrain/text/gguf/impl/metadata.ipp"
#include "posttrain/text/impl/chat_files.ipp"
#include "posttrain/text/impl/chat_renderer.ipp"
#include "posttrain/text/impl/chat_spans.ipp"
#include "posttrain/text/impl/chat_template.ipp"
#include "posttrain/text/impl/chat_tokenizer.ipp"
#include "posttrain/text/impl/conversation.ipp"
#include "posttrain/text/impl/rendered_fields.ipp"
#include "posttrain/text/impl/stream_decoder.ipp"
#include "posttrain/text/impl/template_forms.ipp"
#include "posttrain/text/impl/tokenizer.ipp"
