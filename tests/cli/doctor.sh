#!/bin/bash
# doctor.sh: what yoco doctor says of one rank and of several, of a bad folder and a plan that does
# not fit, and its exit codes. What it thinks of this machine's speed and load is not tested.
source "$(dirname "$0")/driver.sh"
shapes=$source/configs/shapes
mkdir "$folder/disk"

# bad AREA COMMAND...: exit code 1, nothing on stderr, and one bad line, of that area.
bad() {
    local area=$1 rc
    shift
    timeout --signal=KILL 120 "$@" >"$folder/out" 2>"$folder/err" </dev/null
    rc=$?
    [ $rc = 1 ] || fail "exit code $rc, not 1: $*"
    grep -q 'error: ' "$folder/err" && fail "an error line: $*"
    same "bad areas" "$(sed -n 's/^bad  \([a-z]*\) .*/\1/p' "$folder/out" | xargs)" "$area"
    grep -A 1 '^bad ' "$folder/out" | grep -q '^ *-> ' || fail "nothing to do against it: $*"
}

one_rank() {
    succeed "$yoco" doctor --dir "$folder/disk"
    for area in ranks mpi ucx cpu cores openmp load gpu memory disk writes rename; do
        holds "^(ok  |warn) $area +[^ ]"
    done
    holds '^ok   ranks +1 rank on 1 host$'
    holds '^ok   rename '
    holds '^[0-9]+ ok, [0-9]+ warn, 0 bad$'
    succeed env OMP_NUM_THREADS=100000 SLURM_NTASKS=4 "$yoco" doctor --dir "$folder/disk"
    holds '^warn openmp +OMP_NUM_THREADS 100000 times 1 ranks'
    holds '^warn launcher +Slurm gave the job 4 tasks, but this is a single rank'
}

several_ranks() {
    succeed "$mpiexec" -n 3 "$yoco" doctor --dir "$folder/disk" --expect-ranks 3
    holds '^ok   ranks +3 ranks on 1 host$'
    holds '^ok   shared +3 of 3 ranks see what rank 0 writes'
    holds '^ok   clocks +at most [0-9.]+ ms apart'
    holds '^(ok  |warn) reduce '
    holds '^(ok  |warn) neighbours '
    same "lines about the processor" "$(grep -c '^[a-z]* *cpu ' "$folder/out")" 1
    same "what remains in the folder" "$(ls -A "$folder/disk")" ""
}

what_is_bad() {
    bad disk "$mpiexec" -n 2 "$yoco" doctor --dir "$folder/no"
    bad writes "$yoco" doctor --dir /proc
    succeed "$yoco" doctor --dir "$folder/disk" -m "$shapes/yoco-demo-window.json" --tokens 1K
    holds '^ok   memory +.* GiB planned for 1 rank$'
    bad memory "$mpiexec" -n 2 "$yoco" doctor --dir "$folder/disk" \
        -m "$shapes/yoco-3b-window.json" --tokens 512K --branches 1M
}

json() {
    succeed "$mpiexec" -n 2 "$yoco" doctor --json --dir "$folder/disk"
    python3 - "$folder/out" <<'END' || fail "the JSON is not what --help says"
import json, sys
report = json.load(open(sys.argv[1]))
findings = report["findings"]
assert report["bad"] == 0 and report["ok"] + report["warn"] == len(findings)
assert all((f["verdict"] == "ok") == (f["fix"] == "") and f["hosts"] for f in findings)
assert {"ranks", "memory", "shared", "neighbours"} <= {f["area"] for f in findings}
END
}

usage() {
    expect 2 '-m MODEL and --tokens N go together' "$yoco" doctor --tokens 1K
    expect 66 'no/params.json' "$mpiexec" -n 2 "$yoco" doctor -m "$folder/no" --tokens 1K
    expect 2 '3 ranks expected, but MPI sees 2 ranks' \
        "$mpiexec" -n 2 "$yoco" doctor --expect-ranks 3
    expect 2 'the launcher started 4 tasks' \
        env SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0 "$yoco" doctor
}

one_rank
several_ranks
what_is_bad
json
usage
[ $n_failed = 0 ]
