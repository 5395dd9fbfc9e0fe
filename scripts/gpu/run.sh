#!/usr/bin/env bash
# Runs the packed check on a machine with a GPU, where there may be no Node and no network:
#
#   bash FOLDER/run.sh [--out DIR] [--device cuda|cpu] [--quick]
#
# FOLDER is the folder that scripts/gpu/pack.mjs made. The machine needs bash, a C++20 compiler, CMake >= 3.20, and a python3 on
# PATH with PyTorch, torchvision and Pillow. The script unpacks into FOLDER, builds the addon against that PyTorch, and runs core's
# tests and the check. A step that fails is reported, and the next one runs. The results are in DIR (default: FOLDER/results):
# results.json, results.md, steps.txt and logs.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$here/results
device=cuda
quick=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) mkdir -p "$2" && out=$(cd "$2" && pwd) && shift 2 ;;
    --device) device=$2 && shift 2 ;;
    --quick) quick=(--quick) && shift ;;
    *) echo "usage: run.sh [--out DIR] [--device cuda|cpu] [--quick]" >&2 && exit 2 ;;
  esac
done
mkdir -p "$out"
work=${SOS_GPU_WORK:-$here/unpacked}
failed=0

# step SECONDS NAME COMMAND… runs a command with a time limit, and writes its output into a log of its own.
step() {
  local limit=$(($1 * patience)) name=$2 start=$SECONDS code=0
  shift 2
  timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1 || code=$?
  local end=ok
  if [ "$code" = 124 ]; then end="stopped after $limit s"; elif [ "$code" != 0 ]; then end="failed with exit code $code"; fi
  echo "$(printf '%4d s  %-8s %s' $((SECONDS - start)) "$name" "$end")" | tee -a "$out/steps.txt"
  if [ "$code" != 0 ]; then
    failed=1
    tail -n 30 "$out/$name.log" | sed 's/^/        /'
  fi
}

: >"$out/steps.txt"
# The time limits are for 16 cores. SOS_GPU_PATIENCE=5 makes each of them five times as long.
patience=${SOS_GPU_PATIENCE:-1}
step 40 unpack python3 "$here/unpack.py" "$work"
export PATH="$work/bin:$PATH"
# Use the PyTorch of the python3 on PATH, and the packed library for JPEG files.
export LIBTORCH_USE_PYTORCH=1 CMAKE_PREFIX_PATH="$work/deps${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
export LD_LIBRARY_PATH="$work/deps/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export CUBLAS_WORKSPACE_CONFIG=:4096:8 UV_THREADPOOL_SIZE="$(nproc)"
cd "$work" || exit 1
step 150 build node scripts/setup.mjs
step 20 doctor node dist/cli/main.js doctor --json
step 60 native node scripts/test_native.mjs
if [ "${#quick[@]}" = 0 ]; then limit=210; else limit=600; fi
step "$limit" check node --expose-gc scripts/gpu/check.mjs --device "$device" ${quick[@]+"${quick[@]}"} --out "$out"
echo "$SECONDS s in all; results in $out"
exit $failed
