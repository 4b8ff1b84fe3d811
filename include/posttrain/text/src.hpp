// SPDX-License-Identifier: Apache-2.0
// Everything of text/ that is compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/source.hpp"
#include "posttrain/text/impl/chat_files.ipp"
#include "posttrain/text/impl/chat_renderer.ipp"
#include "posttrain/text/impl/chat_spans.ipp"
#include "posttrain/text/impl/chat_template.ipp"
#include "posttrain/text/impl/chat_tokenizer.ipp"
#include "posttrain/text/impl/stream_decoder.ipp"
#include "posttrain/text/impl/tokenizer.ipp"
