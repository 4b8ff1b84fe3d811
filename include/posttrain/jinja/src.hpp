// SPDX-License-Identifier: Apache-2.0
// Everything of jinja/ that is compiled once (base/compiled.hpp).
#pragma once

#ifndef POSTTRAIN_COMPILED_SOURCE
#define POSTTRAIN_COMPILED_SOURCE
#endif

#include "posttrain/jinja/impl/evaluator.ipp"
#include "posttrain/jinja/impl/filters.ipp"
#include "posttrain/jinja/impl/globals.ipp"
#include "posttrain/jinja/impl/lexer.ipp"
#include "posttrain/jinja/impl/loop_variable.ipp"
#include "posttrain/jinja/impl/macro.ipp"
#include "posttrain/jinja/impl/number_filters.ipp"
#include "posttrain/jinja/impl/parser.ipp"
#include "posttrain/jinja/impl/registry.ipp"
#include "posttrain/jinja/impl/self_reference.ipp"
#include "posttrain/jinja/impl/sequence_filters.ipp"
#include "posttrain/jinja/impl/tests.ipp"
#include "posttrain/jinja/impl/text_filters.ipp"
