#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lets anyone compare the library with another implementation; builds what it needs on first use.
#
#   bash tests/probe.sh model --model DIR --batch batch.json --out out.safetensors
#   bash tests/probe.sh text --model DIR      JSON lines on standard input and output
#   bash tests/probe.sh generate --model DIR  the same, samples
#   bash tests/probe.sh loss --model DIR --loss '{"name": "Grpo"}' --rollouts FILE --out OUT
#   bash tests/probe.sh verify                the same, verdicts of verifiers
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools/setup.sh"

case "${1:-}" in
  generate | loss | model | text | verify) program="probe_$1" ;;
  *) posttrain_die "expected generate, loss, model, text or verify, got '${1:-}'; hint: bash tests/probe.sh model --model DIR …" ;;
esac
shift

posttrain_setup
posttrain_default_configure
# Standard output belongs to the program, and so does standard input.
posttrain_build_targets "tests/programs/$program" </dev/null >"$posttrain_build/probe-build.log" 2>&1 || {
  tail -n 40 "$posttrain_build/probe-build.log" >&2
  posttrain_die "tests/programs/$program does not build"
}
exec "$posttrain_build/tests/programs/$program" "$@"
