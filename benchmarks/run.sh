#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up, builds for this machine's processor, and runs a benchmark beside its peers.
#
#   bash benchmarks/run.sh NAME [arguments]     NAME: a script benchmarks/NAME.py
#   bash benchmarks/run.sh list
#
# Prints one JSON line per case. Environment variables: see tests/tools/setup.sh.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export POSTTRAIN_BUILD="${POSTTRAIN_BUILD:-$(dirname "$here")/build-native}"
source "$here/../tests/tools/setup.sh"

name="${1:-list}"
# transformers imports a package `kernels`, which a script of that name beside its peers would hide.
if [ "$name" = kernels ]; then name=kernel_rates; fi
if [ "$name" = list ] || [ ! -f "$here/$name.py" ]; then
  for script in "$here"/*.py; do
    if [ -f "$script" ]; then basename "$script" .py; fi
  done
  [ "$name" = list ] || posttrain_die "no benchmarks/$name.py; hint: the names above"
  exit 0
fi
shift

posttrain_setup --peers
posttrain_configure -Dtests=disabled -Dexamples=disabled -Dbenchmarks=enabled -Dnative=true \
  -Dcompiled=true
# Standard output belongs to the results.
posttrain_build_targets >&2 </dev/null
cd "$posttrain_root"
export POSTTRAIN_PYTHON="$posttrain_python" POSTTRAIN_LIBTORCH_DIR="$posttrain_libtorch_dir"
exec "$posttrain_python" "$here/$name.py" "$@"
