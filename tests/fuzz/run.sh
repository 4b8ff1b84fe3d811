#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes what reads strangers' files: tokenizer.json, chat templates, files of samples. Needs clang
# with libFuzzer (Debian: clang and libclang-rt-14-dev); without, exits with 77.
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
if [ "${#targets[@]}" -eq 0 ]; then targets=(tokenizer template json_lines); fi
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
flags=(-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
  -fno-sanitize-recover=all -DFMT_HEADER_ONLY "-I$root/include" "${packages[@]}")
failed=0
for target in "${targets[@]}"; do
  "${compile[@]}" "${flags[@]}" -c "$here/$target.cpp" -o "$work/$target.o"
  "$clang" -fsanitize=fuzzer,address,undefined "$work/$target.o" -o "$work/$target" "${libraries[@]}"
  mkdir -p "$work/$target.corpus"
  dictionary=()
  if [ -f "$here/$target.dict" ]; then dictionary=("-dict=$here/$target.dict"); fi
  echo "$target: $seconds seconds"
  if ! "$work/$target" "-max_total_time=$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=4096 \
    "-artifact_prefix=$work/$target.failures-" "${dictionary[@]}" "$work/$target.corpus" \
    "$here/seeds/$target" >"$work/$target.log" 2>&1; then
    tail -n 40 "$work/$target.log"
    echo "FAILED $target"
    failed=$((failed + 1))
  else
    grep -E '^(Done|stat::|#[0-9]+.*DONE)' "$work/$target.log" | tail -n 2
  fi
done
echo "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
