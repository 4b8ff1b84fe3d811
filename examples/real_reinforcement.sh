#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real model learns to calculate from results alone: SmolLM2-135M-Instruct (a GGUF file of 98 MB, see
# real_model.sh), GRPO with LoRA, on sums and differences of two-digit numbers and, where the folder of GSM8K's
# train.jsonl and test.jsonl is given, on its word problems (the first 200 of the test are asked). Prints held-out
# problems solved before and after, some samples, and the mean reward of each ten steps; the rest stands in
# OUTPUT_FOLDER/NAME-run/metrics.jsonl. Seventeen minutes for the sums on two cores.
#
#   bash examples/real_reinforcement.sh [OUTPUT_FOLDER [GSM8K_FOLDER]]
#
# A run that is there already is not repeated; one that was stopped goes on. Environment variables: see
# tests/tools/setup.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../tests/tools/setup.sh"

output="${1:-$posttrain_build/real_reinforcement}"
gsm8k="${2:-}"

posttrain_setup
model="$(posttrain_smollm2)" || exit 1
posttrain_default_configure
posttrain_build_with_progress examples/11_grpo
mkdir -p "$output"

run() {  # name option...
  local name="$1" log="$output/$1.log"
  shift
  [ -d "$output/$name" ] || "$posttrain_build/examples/11_grpo" --model "$model" --output "$output/$name" \
    --filter informative --checkpoint-steps 10 --no-progress "$@" | tee -a "$log"
  awk -v name="$name" '/^step / { sum += $4; if (++n % 10 == 0) { printf "%s, steps to %d: reward %.3f\n", name, n, sum / 10; sum = 0 } }' "$log"
}

"$posttrain_python" "$posttrain_root/examples/real_model/make_prompts.py" "$output/prompts"
run sums --data "$output/prompts/sums.jsonl" --held-out "$output/prompts/sums_heldout.jsonl" --max-steps 60 \
  --learning-rate 3e-4 --effective-batch-size 256 --group-size 16 --max-attempts 4 --sampling-max-new-tokens 8
if [ -n "$gsm8k" ]; then
  head -n 200 "$gsm8k/test.jsonl" > "$output/prompts/gsm8k_heldout.jsonl"
  run gsm8k --data "$gsm8k/train.jsonl" --held-out "$output/prompts/gsm8k_heldout.jsonl" --max-steps 20 \
    --learning-rate 3e-4 --effective-batch-size 64 --group-size 16 --max-attempts 4 --sampling-max-new-tokens 100 \
    --sampling-temperature 0.7
fi
