#!/bin/bash
# gpu_check.sh [--no-bench]: everything there is to check on a machine with a GPU, in one command.
# Builds, runs the op suite on the device against the reference in the same process, the engine suite
# on one rank, compute-sanitizer on the op suite, and yoco bench; writes one report below
# docs/gpu-reports/. Goes on where a part fails; exit code 1 if one did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
build="build-gpu"
bench=yes
[ "${1:-}" != --no-bench ] || bench=no

cmake -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DYOCO_CUDA=ON >/dev/null || exit 2
cmake --build $build || exit 2
yoco=$build/yoco
device=$("$yoco" info --devices | sed -n 's/^cuda  *0  //p')
[ -n "$device" ] || { echo "no GPU: 'yoco info --devices' lists none for cuda"; exit 2; }

mkdir -p docs/gpu-reports
report=docs/gpu-reports/$(date -u +%Y-%m-%d)-$(sed 's/,.*//; s/[^A-Za-z0-9]\+/-/g' <<<"$device").md
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -1)
commit=$(git rev-parse --short HEAD)
git diff --quiet HEAD 2>/dev/null || commit+=" with changes"
n_failed=0
cat >"$report" <<END
# $device

- driver: ${driver:-unknown}
- CUDA: $(nvcc --version 2>/dev/null | sed -n 's/.*release \(.*\),.*/\1/p')
- commit: $commit
- date: $(date -u +%Y-%m-%dT%H:%MZ)
END

# section NAME COMMAND...: runs it, and adds the end of what it says to the report.
section() {
    local name=$1 log status
    shift
    log=$(mktemp)
    echo "== $name"
    "$@" >"$log" 2>&1
    status=$?
    [ $status = 0 ] || n_failed=$((n_failed + 1))
    {
        printf '\n## %s: %s\n\n    $ %s\n\n' "$name" "$([ $status = 0 ] && echo passed || echo FAILED)" "$*"
        tail -n 60 "$log" | sed 's/^/    /'
    } >>"$report"
    rm -f "$log"
}

for suite in ops_rows ops_attention ops_retention invariance_rows invariance_attention; do
    section "op suite: $suite" "$build/tests/test_gpu_$suite"
done
for model in swa-tiny gret-tiny swa-gqa-bf16 gret-wide-bf16 swa-branches gret-branches; do
    section "engine: $model" tests/cuda_host/engine.sh "$yoco" mpiexec "$build/tests/dump_tool" \
        tests/reference/$model cuda 1
done
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        for suite in ops_rows ops_attention ops_retention; do
            section "compute-sanitizer $tool: $suite" compute-sanitizer --tool $tool \
                --error-exitcode 1 "$build/tests/test_gpu_$suite"
        done
    done
else
    printf '\n## compute-sanitizer: not found\n' >>"$report"
    n_failed=$((n_failed + 1))
fi
if [ $bench = yes ]; then
    for shape in yoco-3b-retention yoco-3b-window; do
        section "bench: $shape" "$yoco" bench -m configs/shapes/$shape.json --backend cuda \
            --tokens 128K --tokens 512K --tokens 1M --contexts 128K --contexts 512K --contexts 1M \
            --branches 1 --branches 8 --branches 64
    done
    # Memory with a single branch, which the runs above have no figure of.
    section "memory: yoco-3b-retention, one branch" "$yoco" bench \
        -m configs/shapes/yoco-3b-retention.json --backend cuda --tokens 16K --contexts 1M --branches 1
fi
echo "report: $report"
[ $n_failed = 0 ] || { echo "$n_failed parts FAILED"; exit 1; }
