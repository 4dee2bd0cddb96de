#!/bin/bash
# simulate_h100.sh BUILD OUT: what docs/SCALING.md shows of the simulation: 1,024 ranks and a million
# tokens twice, with time and memory; 1 to 4,096 ranks for 1M and 10M tokens and both kinds of
# self-decoder; chunk sizes around the formula's choice. Goes on where it stopped; a last run prints
# the tables and makes OUT/efficiency.svg.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/simulate_h100.sh BUILD OUT}
out=${2:?usage: tools/simulate_h100.sh BUILD OUT}

# sweep FOLDER KIND OPTION...
sweep() {
    local folder=$1 kind=$2
    shift 2
    "$build/yoco" scale -m "configs/shapes/yoco-3b-$kind.json" -o "$out/$folder" --simulate --predict \
        --hardware h100-infiniband "$@"
}

mkdir -p "$out"
for run in first second; do
    /usr/bin/time -f "1,024 ranks, $run run: %e s, %U s of CPU, %M KiB" \
        "$build/yoco" scale -m configs/shapes/yoco-3b-window.json -o "$out/$run" --simulate \
        --hardware h100-infiniband --ranks 1024 --tokens 1M
done
python3 tests/scale/compare.py equal "$out/first/scale.jsonl" "$out/second/scale.jsonl"

for kind in window retention; do
    for chunk in 256 512 1K 2K 4K 8K 16K; do
        sweep chunks $kind --ranks 8,64,512 --tokens 1M --chunk $chunk
    done
done
# The costly ones last.
for ranks in 1,2,4,8,16,32,64,128,256,512 1024 2048 4096; do
    for kind in window retention; do
        sweep h100 $kind --ranks $ranks --tokens 1M,10M
    done
done
python3 tools/scale_summary.py "$out" "$out/efficiency.svg"
