#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks and measures on one GPU, in at most 8 minutes; the last lines are a table,
# gpu-results/gpu.json in the build folder has it all.
#
#   bash tests/gpu.sh [--out FOLDER] [--only PART,...]
#       sets up, builds and runs here (parts: see tests/tools/gpu.py); without a GPU it runs the same
#       programs on the stand-in device and says "skipped: no GPU"
#   bash tests/gpu.sh --ranks N
#       runs of 2 to N ranks, one on each GPU, beside a run on one; with fewer GPUs it says "skipped: ..."
#   bash tests/gpu.sh --prepare [--libtorch 2.11.0] [--output FOLDER]
#       builds on a machine without a GPU, for that LibTorch, into one folder under 60 MiB
#       (default: .cache/gpu); on the GPU machine, without a network:
#   bash tests/gpu.sh --from FOLDER [arguments of gpu.py run]      or: python3 FOLDER/gpu.py run
#
# A GPU wants a LibTorch with CUDA: a Python here that has torch, or POSTTRAIN_LIBTORCH (an unpacked one).
# Other environment variables: see tests/tools/setup.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools/setup.sh"

prepare=no
version=
output=
ranks=
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --prepare) prepare=yes ;;
    --libtorch | --output | --out | --only | --from | --ranks)
      [ $# -ge 2 ] || posttrain_die "$1 needs a value"
      case "$1" in
        --libtorch) version="$2" ;;
        --output) output="$2" ;;
        --ranks) ranks="$2" ;;
        --from)
          [ -f "$2/gpu.py" ] || posttrain_die "$2 is no prepared folder; hint: tests/gpu.sh --prepare"
          prepared="$2"
          shift 2
          exec python3 "$prepared/gpu.py" run "${arguments[@]}" "$@"
          ;;
        *) arguments+=("$1" "$2") ;;
      esac
      shift
      ;;
    -h | --help)
      sed -n '3,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) posttrain_die "unknown argument $1; hint: tests/gpu.sh [--prepare [--libtorch VERSION]] [--from FOLDER]" ;;
  esac
  shift
done
[ "$prepare" = yes ] || [ -z "$version$output" ] || posttrain_die "--libtorch and --output go with --prepare"
tool="$posttrain_root/tests/tools/gpu.py"
targets=(tests/programs/gpu_kernels tests/programs/gpu_training tests/test_device)
if [ -n "$ranks" ]; then
  [ "$prepare" = no ] && [[ "$ranks" =~ ^[1-9][0-9]*$ ]] || posttrain_die "--ranks needs a number, and no --prepare"
  targets=(tests/programs/ranks_run)
  gpus="$(python3 "$tool" count-gpus)"
  if [ "$gpus" -lt "$ranks" ]; then
    echo "skipped: $ranks ranks need as many GPUs, and there are $gpus"
    exit 0
  fi
fi

if [ "$prepare" = yes ]; then
  output="${output:-$posttrain_cache/gpu}"
  if [ -n "$version" ] && [ "$version" != "$posttrain_torch_version" ]; then
    # A LibTorch and a build of their own, beside those of the tests.
    posttrain_torch_version="$version"
    posttrain_cache="$posttrain_cache/libtorch-$version"
    posttrain_build="$posttrain_root/build-gpu-$version"
    unset POSTTRAIN_VENV POSTTRAIN_LIBTORCH
  fi
  posttrain_setup
  posttrain_default_configure
  posttrain_build_with_progress "${targets[@]}"
  exec python3 "$tool" prepare --build "$posttrain_build" --libtorch "$posttrain_libtorch_dir" --output "$output"
fi

if python3 "$tool" has-gpu; then
  libtorch="$(python3 "$tool" find-libtorch)"
  [ -n "$libtorch" ] || posttrain_die "no LibTorch with CUDA for the GPU of this machine; hint: pip install torch, or POSTTRAIN_LIBTORCH"
  export POSTTRAIN_LIBTORCH="$libtorch" POSTTRAIN_BUILD="$posttrain_root/build-gpu"
  posttrain_build="$POSTTRAIN_BUILD"
  posttrain_setup
  posttrain_default_configure
  posttrain_build_with_progress "${targets[@]}"
  if [ -n "$ranks" ]; then
    export LD_LIBRARY_PATH="$libtorch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    exec python3 "$posttrain_root/tests/end_to_end/ranks_test.py" "$posttrain_build/tests/programs" --gpus "$ranks"
  fi
  exec python3 "$tool" run --programs "$posttrain_build/tests/programs" --libtorch "$libtorch" "${arguments[@]}"
fi

posttrain_setup
posttrain_default_configure
posttrain_build_with_progress "${targets[@]}" tests/stand_in/libtorch_cuda.so tests/stand_in/libcuda.so.1 \
  tests/stand_in/libnvrtc.so.13
python3 "$tool" run --programs "$posttrain_build/tests/programs" --stand-in "$posttrain_build/tests/stand_in" \
  --tiny "${arguments[@]}"
echo "skipped: no GPU"
