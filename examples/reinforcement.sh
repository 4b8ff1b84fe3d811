#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What reinforcement learning and preferences teach, and what they cost earlier skills: the pocket model
# learns three tasks and, from a few worked examples, some sums; then GRPO trains the sums, or DPO polite
# answers, on all weights, with OSFT and with LoRA. Prints two rows per run, before and after: held-out sums
# solved, or answers that are polite, and questions of the three tasks answered.
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
work="$posttrain_root/.cache/reinforcement"  # a build folder may be made anew
mkdir -p "$work"

posttrain_setup
posttrain_default_configure
posttrain_build_with_progress examples/make_pocket_data examples/01_sft \
  examples/08_dpo examples/11_grpo
programs="$posttrain_build/examples"

start="$work/start"
if [ ! -d "$start" ]; then
  "$programs/make_pocket_data" --sums "$work/sums"
  head -n 300 "$work/sums/worked.jsonl" > "$work/lessons.jsonl"
  cat "$pocket"/data/tasks/{a,b,c}.jsonl >> "$work/lessons.jsonl"
  "$programs/01_sft" --model "$pocket/model" --data "$work/lessons.jsonl" --output "$start" \
    --max-steps 1500 --learning-rate 1.5e-3 --effective-batch-size 32
fi

# What a run printed of itself: of tasks a, b and c, then of what it learned.
rows() {  # name, what it learned
  for when in before after; do
    sed -n "s/^$when: .*(\([0-9.]*\) %).*$/\1/p" "$work/$1.log" | paste -s -d ' ' \
      | { read -r a b c learned; printf '%s %s: %s %s, tasks %s %s %s\n' "$1" "$when" "$2" "$learned" "$a" "$b" "$c"; }
  done
}

earlier=("$pocket"/data/tasks/{a,b,c}_heldout.jsonl)
for seed in $(seq "$seeds"); do
  for method in "${methods[@]}"; do
    rate=1e-3
    [ "$method" != full ] || rate=3e-4
    name="grpo-$method-$seed"
    [ -d "$work/$name" ] || "$programs/11_grpo" --model "$start" --data "$work/sums/sums.jsonl" \
      --held-out "$work/sums/sums_heldout.jsonl" --output "$work/$name" --method "$method" \
      --learning-rate "$rate" --max-steps 120 --effective-batch-size 256 --max-seq-len 256 \
      --seed "$seed" --print-samples 0 --earlier "${earlier[@]}" > "$work/$name.log"
    rows "$name" sums
    name="dpo-$method-$seed"
    [ -d "$work/$name" ] || "$programs/08_dpo" --model "$start" --data "$pocket/data/preferences.jsonl" \
      --held-out "$pocket/data/preferences_heldout.jsonl" --output "$work/$name" --method "$method" \
      --learning-rate "$rate" --num-epochs 3 --warmup-steps 10 --seed "$seed" \
      --earlier "${earlier[@]}" > "$work/$name.log"
    rows "$name" polite
  done
done
