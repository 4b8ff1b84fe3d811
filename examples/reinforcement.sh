#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What reinforcement learning teaches, and what it costs earlier skills: the pocket model learns three
# tasks and, from a few worked examples, some sums; then GRPO trains the sums, on all weights, with OSFT and
# with LoRA. Prints a row per run: held-out sums solved, and questions of the three tasks answered, before
# and after.
#
#   bash examples/reinforcement.sh [SEEDS [METHOD...]]       defaults: 5, full osft lora
#
# On one core a run takes about three minutes, and the start ten. A run that is there already is not
# repeated. Environment variables: see tests/tools/setup.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../tests/tools/setup.sh"

seeds="${1:-5}"
if [ $# -gt 0 ]; then shift; fi
methods=("${@:-full}")
[ $# -gt 0 ] || methods=(full osft lora)
pocket="$posttrain_root/examples/pocket"
work="$posttrain_build/reinforcement"
mkdir -p "$work"

posttrain_setup
posttrain_default_configure
posttrain_build_with_progress examples/make_pocket_data examples/01_sft examples/11_grpo
programs="$posttrain_build/examples"

start="$work/start"
if [ ! -d "$start" ]; then
  "$programs/make_pocket_data" --sums "$work/sums"
  head -n 300 "$work/sums/worked.jsonl" > "$work/lessons.jsonl"
  cat "$pocket"/data/tasks/{a,b,c}.jsonl >> "$work/lessons.jsonl"
  "$programs/01_sft" --model "$pocket/model" --data "$work/lessons.jsonl" --output "$start" \
    --max-steps 1500 --learning-rate 1.5e-3 --effective-batch-size 32
fi

train() {  # method, seed
  local rate=1e-3 name="$1-$2"
  [ "$1" != full ] || rate=3e-4
  [ -d "$work/$name" ] || "$programs/11_grpo" --model "$start" --data "$work/sums/sums.jsonl" \
    --held-out "$work/sums/sums_heldout.jsonl" --output "$work/$name" --method "$1" \
    --learning-rate "$rate" --max-steps 120 --effective-batch-size 256 --max-seq-len 256 --seed "$2" \
    --print-samples 0 --earlier "$pocket"/data/tasks/{a,b,c}_heldout.jsonl > "$work/$name.log"
  for when in before after; do  # tasks a, b and c, then the sums
    sed -n "s/^$when: .*(\([0-9.]*\) %)\$/\1/p" "$work/$name.log" | paste -s -d ' ' \
      | { read -r a b c sums; printf '%s seed %s %s: sums %s, tasks %s %s %s\n' "$1" "$2" "$when" "$sums" "$a" "$b" "$c"; }
  done
}
for seed in $(seq "$seeds"); do
  for method in "${methods[@]}"; do train "$method" "$seed"; done
done
