// SPDX-License-Identifier: Apache-2.0
// The compiled library: tokenizer and chat templates; needs no LibTorch (base/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/text/chat_files_impl.hpp"
#include "posttrain/text/chat_renderer_impl.hpp"
#include "posttrain/text/chat_spans_impl.hpp"
#include "posttrain/text/chat_template_impl.hpp"
#include "posttrain/text/chat_tokenizer_impl.hpp"
#include "posttrain/text/stream_decoder_impl.hpp"
#include "posttrain/text/tokenizer_impl.hpp"
