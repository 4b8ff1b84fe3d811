#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What reinforcement learning and preferences teach, and what they cost earlier skills: the pocket model
# learns three tasks and, from a few worked examples, some sums; then GRPO practises sums by their results,
# or DPO prefers right steps to wrong ones, on all weights, with OSFT and with LoRA. Prints two rows per
# run, before and after: held-out sums solved, and questions of the three tasks answered, in percent; last,
# the means over the seeds.
#
#   bash examples/reinforcement.sh [SEEDS [METHOD@RATE...]]
#     defaults: 5, full@3e-4 osft@1e-3 lora@1e-3
#
# On one core a run of GRPO takes about six minutes, one of DPO two, and the start ten. A run that is there
# already is not repeated. Environment variables: see tests/tools/setup.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../tests/tools/setup.sh"

seeds="${1:-5}"
if [ $# -gt 0 ]; then shift; fi
methods=("$@")
[ $# -gt 0 ] || methods=(full@3e-4 osft@1e-3 lora@1e-3)
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

# What a run printed of itself: of tasks a, b and c, then of sums.
rows() {  # name
  for when in before after; do
    sed -n "s/^$when: .*(\([0-9.]*\) %).*$/\1/p" "$work/$1.log" | paste -s -d ' ' \
      | { read -r a b c sums; printf '%s %s: sums %s, tasks %s %s %s\n' "$1" "$when" "$sums" "$a" "$b" "$c"; }
  done
}

earlier=("$pocket"/data/tasks/{a,b,c}_heldout.jsonl)
for seed in $(seq "$seeds"); do
  for method in "${methods[@]}"; do
    trained=(--method "${method%@*}" --learning-rate "${method#*@}" --seed "$seed" --earlier "${earlier[@]}")
    name="grpo-$method-$seed"
    [ -d "$work/$name" ] || "$programs/11_grpo" --model "$start" --data "$work/sums/sums.jsonl" \
      --held-out "$work/sums/sums_heldout.jsonl" --output "$work/$name" --max-steps 120 \
      --effective-batch-size 256 --max-seq-len 256 --print-samples 0 "${trained[@]}" > "$work/$name.log"
    rows "$name"
    name="dpo-$method-$seed"
    [ -d "$work/$name" ] || "$programs/08_dpo" --model "$start" --data "$work/sums/pairs.jsonl" \
      --held-out "$work/sums/pairs_heldout.jsonl" --problems "$work/sums/sums_heldout.jsonl" \
      --output "$work/$name" --num-epochs 2 --warmup-steps 10 --prompts 0 "${trained[@]}" > "$work/$name.log"
    rows "$name"
  done
done

echo "mean over $seeds seeds"
for kind in grpo dpo; do
  for method in "${methods[@]}"; do
    for seed in $(seq "$seeds"); do rows "$kind-$method-$seed"; done \
      | tr -d , | awk -v name="$kind $method" '$2 == "after:" { sums += $4; a += $6; b += $7; c += $8; ++n }
          END { printf "%s: sums %.1f, tasks %.1f %.1f %.1f\n", name, sums / n, a / n, b / n, c / n }'
  done
done
