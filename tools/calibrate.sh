#!/bin/bash
# calibrate.sh BUILD OUT [SHAPE]: profiles this machine and compares measured, simulated and
# predicted prefill and decode at 1, 2 and 4 ranks of one thread. Takes some minutes of an idle
# machine; OUT/P/report.html has the errors for P ranks. A profile is of P ranks at the same time, as
# they share memory and caches: one for each P.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/calibrate.sh BUILD OUT [SHAPE]}
out=${2:?usage: tools/calibrate.sh BUILD OUT [SHAPE]}
shape=${3:-configs/shapes/yoco-160m-window.json}

mkdir -p "$out"
for ranks in 1 2 4; do
    profile=$out/ranks-$ranks.json
    [ -s "$profile" ] ||
        mpiexec -n $ranks "$build/yoco" bench -m "$shape" --chunk 1024 --threads 1 --profile "$profile"
    "$build/yoco" scale -m "$shape" -o "$out/$ranks" --measure --simulate --predict --hardware "$profile" \
        --ranks $ranks --tokens 16K,64K --chunk 1024 --threads 1 --runs 3 --steps 8
    cut -d, -f 1,6,7,11,23 "$out/$ranks/scale.csv"
done
