#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From nothing to a fine-tuned model: sets up what is missing (system packages, LibTorch), builds one
# example, and fine-tunes the pocket model of this repository on a committed file of conversations.
#
#   bash examples/quickstart.sh [OUTPUT_FOLDER]
#
# Environment variables: see tests/tools/setup.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../tests/tools/setup.sh"

pocket="$posttrain_root/examples/pocket"
model="$pocket/model"
data="$pocket/data/conversations.jsonl"
questions="$pocket/data/questions.jsonl"
output="${1:-$posttrain_build/quickstart}"

posttrain_setup
posttrain_default_configure
posttrain_build_with_progress examples/01_sft

# A folder of its own for each run: an interrupted one goes on when the script is started again.
status=0
"$posttrain_build/examples/01_sft" --model "$model" --data "$data" --output "$output" \
  --questions "$questions" --ask "Where does Anna live?" \
  --num-epochs 8 --effective-batch-size 32 --learning-rate 1e-3 --warmup-steps 20 || status=$?
if [ "$status" -gt 128 ]; then
  posttrain_say "interrupted; the same command goes on from the last checkpoint"
fi
[ "$status" -eq 0 ] || exit "$status"
posttrain_say "talk to it: ninja -C $posttrain_build examples/03_generate && $posttrain_build/examples/03_generate --model $output --ask 'What is 7 * 8?'"
