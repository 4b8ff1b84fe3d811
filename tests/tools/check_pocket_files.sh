#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The committed files of the pocket world are what its generator writes: check_pocket_files.sh PROGRAMS
set -euo pipefail
exec "$1/make_pocket_data" --check --root "$(dirname "$0")/../../examples/pocket"
