#!/bin/bash
# gpu_check.sh [--build DIR] [--no-bench]: everything there is to check on a machine with a GPU, in
# one command, what is worth most first. DIR holds the programs, as a build folder or a bundle of
# tools/gpu_bundle.sh does; without --build it builds them in build-gpu. One report below
# docs/gpu-reports/ grows by each step, so that one that is stopped early still says what was seen.
# Each step has a limit of its own. Without a GPU it runs what needs none. Exit code 1 if a step
# failed, 2 without a GPU.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
build=build-gpu compile=yes bench=yes
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=${2:?--build DIR} compile=no && shift ;;
    --no-bench) bench=no ;;
    *) echo "usage: tools/gpu_check.sh [--build DIR] [--no-bench]" && exit 2 ;;
    esac
    shift
done
if [ $compile = yes ]; then
    cmake -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DYOCO_CUDA=ON >/dev/null || exit 2
    cmake --build "$build" || exit 2
fi
yoco=$build/yoco
[ -x "$yoco" ] || { echo "$yoco is missing: build it, or name its folder with --build" && exit 2; }
[ ! -d "$build/lib" ] || export LD_LIBRARY_PATH=$PWD/$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
[ ! -d "$build/bin" ] || export PATH=$PWD/$build/bin:$PATH
# Ranks of one machine. Over TCP, which MPI takes where it finds nothing better, MPI_Finalize sometimes never ends.
export UCX_TLS=${UCX_TLS:-self,sm}

device=$("$yoco" info --devices | sed -n 's/^cuda  *0  //p')
n_devices=$("$yoco" info --devices | grep -c '^cuda  *[0-9]')
model_name=${device:-no GPU}
mkdir -p docs/gpu-reports
report=docs/gpu-reports/$(date -u +%Y-%m-%d)-$(sed 's/,.*//; s/[^A-Za-z0-9]\+/-/g' <<<"$model_name").md
commit=$(cat "$build/commit" 2>/dev/null || git rev-parse --short HEAD)
query=index,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,temperature.gpu
n_failed=0
{
    printf '# %s\n\n' "$model_name"
    echo "- GPUs: $n_devices"
    echo "- commit: $commit"
    echo "- date: $(date -u +%Y-%m-%dT%H:%MZ)"
    nvidia-smi --query-gpu=$query --format=csv 2>/dev/null | sed 's/^/- /'
} >"$report"

# step SECONDS NAME COMMAND...: runs it, and adds the end of what it says to the report.
step() {
    local limit=$1 name=$2 log status start=$SECONDS verdict=passed
    shift 2
    log=$(mktemp)
    echo "== $name"
    timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null
    status=$?
    [ $status = 0 ] || { verdict="FAILED ($status)" && n_failed=$((n_failed + 1)); }
    [ $status != 124 ] || verdict="STOPPED after $limit s"
    {
        printf '\n## %s: %s, %d s\n\n    $ %s\n\n' "$name" "$verdict" $((SECONDS - start)) "$*"
        tail -n 80 "$log" | sed 's/^/    /'
    } >>"$report"
    rm -f "$log"
}

# engine MODEL BACKEND RANKS TRANSPORT: nothing where the model is not here (bundles leave one out).
engine() {
    [ -d "tests/reference/$1" ] || return 0
    step 120 "engine: $1, $2 on $3 ranks over $4" tests/cuda_host/engine.sh "$yoco" mpiexec \
        "$build/tests/dump_tool" "tests/reference/$1" "$2" "$3" "$4"
}

if [ -z "$device" ]; then
    step 20 "the program starts" "$yoco" --version
    step 60 "devices" "$yoco" info --devices
    engine swa-tiny cpu 1 mpi
    engine gret-tiny cpu 2 mpi
    step 60 "the plan of a 3B shape" "$yoco" plan -m configs/shapes/yoco-3b-window.json --tokens 1M
    printf '\nThere is no GPU that CUDA can use here: nothing of the GPU backend was run.\n' >>"$report"
    echo "report: $report"
    echo "no GPU: 'yoco info --devices' lists none for cuda; of what needs none, $n_failed steps failed"
    [ $n_failed = 0 ] && exit 2 || exit 1
fi

for suite in ops_rows ops_choose ops_attention ops_retention ops_delta ops_mamba invariance_rows invariance_attention \
    invariance_delta; do
    step 120 "op suite: $suite" "$build/tests/test_gpu_$suite"
done
for model in swa-tiny gret-tiny swa-gqa-bf16 gret-wide-bf16 swa-branches gret-branches fla-yoco-gret fla-yoco-swa fla-yoco-gdn \
    phi4flash-tiny; do
    engine $model cuda 1 mpi
done
engine swa-gqa-bf16 cuda 1 nccl
engine gret-branches cuda 1 nccl
if [ "$n_devices" -ge 2 ]; then
    engine swa-branches cuda 2 nccl
    engine gret-tiny cuda 2 nccl
    engine gret-branches cuda 2 mpi
fi

# times FILE: what libgpu_times.so left, the longest first, beside tools/gpu_predicted.txt.
times() {
    printf '\n| kernel | launches | ms | us each | predicted us (H100) |\n|---|---:|---:|---:|---|\n'
    sort -k2,2nr "$1" | head -40 | while read -r n ms us name; do
        echo "| \`$name\` | $n | $ms | $us | $(awk -v name="$name" '
            !/^#/ && index(name, $1) { sub(/^[^ ]+ +/, ""); print; exit }' tools/gpu_predicted.txt) |"
    done
}

# measure SECONDS SHAPE OPTION...: yoco bench, then again under the tracer, with clocks and power.
measure() {
    local limit=$1 shape=$2 clocks times_file
    shift 2
    local command=("$yoco" bench -m "configs/shapes/$shape.json" --backend cuda "$@")
    clocks=$(mktemp) times_file=$(mktemp)
    nvidia-smi --query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu --format=csv,noheader \
        -l 1 >"$clocks" 2>/dev/null &
    local watcher=$!
    step "$limit" "bench: $shape $*" "${command[@]}"
    kill $watcher 2>/dev/null
    printf '\nSM clock, memory clock, power, temperature, every 5 s:\n\n' >>"$report"
    awk 'NR % 5 == 1 { print "    " $0 }' "$clocks" | head -40 >>"$report"
    if [ -e "$build/lib/libgpu_times.so" ]; then
        step "$limit" "kernels: $shape $*" env CUDA_INJECTION64_PATH="$PWD/$build/lib/libgpu_times.so" \
            GPU_TIMES="$times_file" "${command[@]}" --runs 1
        times "$times_file" >>"$report"
    fi
    rm -f "$clocks" "$times_file"
}
if [ $bench = yes ]; then
    for shape in yoco-3b-window yoco-3b-retention; do
        measure 120 $shape --tokens 128K --contexts 128K --branches 1 --branches 8 --branches 64
    done
    for shape in yoco-3b-window yoco-3b-retention; do
        measure 240 $shape --tokens 1M --contexts 1M --branches 1 --branches 8 --branches 64
    done
fi
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck synccheck initcheck; do
        for suite in ops_rows ops_choose ops_attention ops_retention ops_delta ops_mamba; do
            step 300 "compute-sanitizer $tool: $suite" compute-sanitizer --tool $tool \
                --error-exitcode 1 "$build/tests/test_gpu_$suite"
        done
    done
else
    printf '\n## compute-sanitizer: not on this machine\n' >>"$report"
fi
echo "report: $report"
[ $n_failed = 0 ] || { echo "$n_failed steps FAILED" && exit 1; }
