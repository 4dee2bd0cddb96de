#!/bin/bash
# simulate_h100.sh BUILD SIM_BUILD OUT: what docs/SCALING.md claims of the simulation: 1,024 ranks and
# a million tokens twice, with time and memory; 1 to 4,096 ranks for 1M and 10M tokens and both kinds
# of self-decoder; chunk sizes around the formula's choice. Hours on an idle machine; goes on where it
# stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/simulate_h100.sh BUILD SIM_BUILD OUT}
sim=${2:?usage: tools/simulate_h100.sh BUILD SIM_BUILD OUT}
out=${3:?usage: tools/simulate_h100.sh BUILD SIM_BUILD OUT}

# sweep FOLDER KIND OPTION...
sweep() {
    local folder=$1 kind=$2
    shift 2
    "$build/yoco" scale -m "configs/shapes/yoco-3b-$kind.json" -o "$out/$folder" --simulate --predict \
        --simulator "$sim/yoco-sim" --hardware h100-infiniband "$@"
}

mkdir -p "$out"
for run in first second; do
    /usr/bin/time -f "1,024 ranks, $run run: %e s, %M KiB" \
        "$build/yoco" scale -m configs/shapes/yoco-3b-window.json -o "$out/$run" --simulate \
        --simulator "$sim/yoco-sim" --hardware h100-infiniband --ranks 1024 --tokens 1M
done
python3 tests/scale/compare.py equal "$out/first/scale.jsonl" "$out/second/scale.jsonl"

for kind in window retention; do
    sweep h100 $kind --ranks 1,2,4,8,16,32,64,128,256,512,1024,2048,4096 --tokens 1M,10M
    for chunk in 256 512 1K 2K 4K 8K 16K; do
        sweep chunk-$chunk $kind --ranks 8,64,512 --tokens 1M --chunk $chunk
    done
done
