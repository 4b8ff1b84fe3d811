#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up whatever is missing, builds, and runs every test. The last line counts them.
#
#   bash tests/run.sh                 all tests that need no Python peers
#   bash tests/run.sh --peers         and the parity tests against transformers, PEFT, TRL and others
#   bash tests/run.sh --filter NAME   only tests whose name contains NAME
#
# Environment variables: see tests/tools/setup.sh; POSTTRAIN_SHARED for large shared data. With --peers,
# SmolLM2-135M-Instruct (93 MB) is fetched; where that fails, its test is left out.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools/setup.sh"

peers=()
filter=()
while [ $# -gt 0 ]; do
  case "$1" in
    --peers) peers=(--peers) ;;
    --filter)
      [ $# -ge 2 ] || posttrain_die "--filter needs a name"
      filter=(--filter "$2")
      shift
      ;;
    -h | --help)
      sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) posttrain_die "unknown argument $1; hint: tests/run.sh [--peers] [--filter NAME]" ;;
  esac
  shift
done

posttrain_setup "${peers[@]}"
if [ "${#peers[@]}" -gt 0 ]; then  # its tests skip where it cannot be had
  POSTTRAIN_SMOLLM2="$(posttrain_smollm2)" && export POSTTRAIN_SMOLLM2 || unset POSTTRAIN_SMOLLM2
fi
posttrain_default_configure
cd "$posttrain_root"
export POSTTRAIN_PYTHON="$posttrain_python" POSTTRAIN_LIBTORCH_DIR="$posttrain_libtorch_dir"
exec python3 tests/tools/run_tests.py "$posttrain_build" --jobs "$(posttrain_jobs)" \
  "${peers[@]}" "${filter[@]}"
