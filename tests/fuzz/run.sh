#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes what reads strangers' files and texts: tokenizer.json, chat templates, files of samples, GGUF,
# answers to mathematical problems. Needs
# clang with libFuzzer (Debian: clang and libclang-rt-14-dev); without, exits with 77.
#
#   bash tests/fuzz/run.sh [SECONDS [TARGET...]]     default: 5 seconds of each target
#
# Address and undefined-behaviour sanitizers are on. An input fails that crashes, takes more than
# 60 seconds or more than 2 GB. It stays in WORK/TARGET.failures; found inputs are kept in
# WORK/TARGET.corpus and start the next run. WORK: $POSTTRAIN_FUZZ, or build/fuzz.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
seconds="${1:-5}"
if [ $# -gt 0 ]; then shift; fi
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then targets=(tokenizer template json_lines gguf math_answer); fi
work="${POSTTRAIN_FUZZ:-${POSTTRAIN_BUILD:-$root/build}/fuzz}"
mkdir -p "$work"

clang=""
for name in clang++ clang++-14 clang++-16 clang++-19; do
  if command -v "$name" >/dev/null 2>&1; then
    clang="$name"
    break
  fi
done
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' \
  >"$work/probe.cpp"
if [ -z "$clang" ] || ! "$clang" -fsanitize=fuzzer,address "$work/probe.cpp" -o "$work/probe" \
  2>"$work/probe.log"; then
  echo "skipped: no clang++ with libFuzzer; hint: apt-get install clang libclang-rt-14-dev"
  exit 77
fi

compile=("$clang")
if command -v ccache >/dev/null 2>&1; then compile=(ccache "$clang"); fi
read -ra packages < <(pkg-config --cflags nlohmann_json libpcre2-8 libutf8proc zlib)
read -ra libraries < <(pkg-config --libs libpcre2-8 libutf8proc zlib)
flags=(-std=c++20 -O1 -gline-tables-only -fno-omit-frame-pointer
  -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DFMT_HEADER_ONLY
  "-I$root/include" "${packages[@]}")

build() {  # target
  "${compile[@]}" "${flags[@]}" -c "$here/$1.cpp" -o "$work/$1.o" &&
    "$clang" -fsanitize=fuzzer,address,undefined "$work/$1.o" -o "$work/$1" "${libraries[@]}"
}

fuzz() {  # target
  mkdir -p "$work/$1.corpus"
  local dictionary=()
  if [ -f "$here/$1.dict" ]; then dictionary=("-dict=$here/$1.dict"); fi
  if ! "$work/$1" "-max_total_time=$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=4096 \
    "-artifact_prefix=$work/$1.failures-" "${dictionary[@]}" "$work/$1.corpus" \
    "$here/seeds/$1" >"$work/$1.log" 2>&1; then
    tail -n 40 "$work/$1.log"
    echo "FAILED $1"
    return 1
  fi
  echo "$1: $(grep -E '^Done' "$work/$1.log" | tail -n 1)"
}

# Does it for all targets, as many at once as there are processors; `failed` counts.
at_once="${POSTTRAIN_JOBS:-$(nproc)}"
for_all() {  # build or fuzz
  local running=0 target
  for target in "${targets[@]}"; do
    if [ "$running" -ge "$at_once" ]; then
      wait -n || failed=$((failed + 1))
      running=$((running - 1))
    fi
    "$1" "$target" &
    running=$((running + 1))
  done
  for (( ; running > 0; running--)); do wait -n || failed=$((failed + 1)); done
}

failed=0
for_all build
[ "$failed" -eq 0 ] || exit 1
for_all fuzz
echo "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
