#!/bin/bash
# faults.sh COMM_FAULT MPIEXEC TRANSPORT: what happens to the others when a rank stops answering, dies, gives
# up or was never started: the exit status, the line that is logged, and that no process remains.
set -u
program=$1 mpiexec=$2 transport=$3
folder=$(mktemp -d)
n_failed=0

# A dead process may stay in /proc as a zombie until its parent or init asks for it.
remaining_pids() {
    local file pid
    for file in "$folder"/pid.*; do
        pid=${file##*/pid.}
        grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" && echo "$pid"
    done
}

# By process id: a stopped rank would stay for ever.
kill_remaining() {
    local pid
    for pid in $(remaining_pids); do
        kill -KILL "$pid"
    done
    rm -f "$folder"/pid.*
}
trap 'kill_remaining; rm -rf "$folder"' EXIT

fail() {
    echo "FAILED: $1"
    sed 's/^/    /' "$folder/log"
    n_failed=$((n_failed + 1))
}

# expect NAME STATUS PATTERN COMMAND...: STATUS "nonzero" is any failure but a time-out of this
# script; PATTERN "-" is any output.
expect() {
    local name=$1 status=$2 pattern=$3 rc
    shift 3
    timeout --signal=KILL 20 "$@" >"$folder/log" 2>&1 </dev/null
    rc=$?
    if [ $rc = 137 ]; then
        fail "$name: nothing ended it"
    elif [ "$status" = nonzero ]; then
        [ $rc != 0 ] || fail "$name: exit status 0"
    elif [ $rc != "$status" ]; then
        fail "$name: exit status $rc, not $status"
    fi
    [ "$pattern" = - ] || grep -Eq "$pattern" "$folder/log" || fail "$name: no line '$pattern'"
    [ -z "$(remaining_pids)" ] || sleep 2
    [ -z "$(remaining_pids)" ] || fail "$name: processes remain: $(remaining_pids)"
    kill_remaining
    echo "done: $name"
}

# reports NAME RANK...: which ranks said what they were doing; clears them.
reports() {
    local name=$1 found
    shift
    found=$(cd "$folder" && echo hang-*.json)
    [ "$found" = "$(printf 'hang-%s.json\n' "$@" | xargs)" ] || fail "$name: files $found"
    grep -L '"host": "' "$folder"/hang-*.json | grep -q . && fail "$name: a file without a host"
    [ -z "$(compgen -G "$folder/hang-*.mark")" ] || fail "$name: a mark remains"
    rm -f "$folder"/hang-*
}

job=("$program" "$folder" "$transport")
alive="is that rank alive\? \(--deadline raises the limit\)"
expect "no fault" 0 - "$mpiexec" -n 2 "${job[@]}" none 2
expect "a stopped rank, message" 75 "waited 2 s for edge of chunk 17, layer 2 from rank 2: $alive" \
    "$mpiexec" -n 3 "${job[@]}" stop 0
reports "a stopped rank, message" 0 1
expect "a stopped rank, sum" 75 "waited 2 s for the sum over all ranks: is every rank alive" \
    "$mpiexec" -n 3 "${job[@]}" stop-sum 0
grep -Eq "hang: rank 2 \(.*, pid [0-9]+\) wrote no file" "$folder/log" || fail "no name of the stopped rank"
reports "a stopped rank, sum" 0 1
expect "a rank that computes for ever" 75 \
    "hang: rank 2 \(.*\) waits for nobody: .* stuck, for [0-9]+ s since" \
    "$mpiexec" -n 3 "${job[@]}" compute 0
reports "a rank that computes for ever" 0 1 2
expect "a rank stuck in a call of MPI" 75 \
    "hang: rank 2 .* differs: it waits in edge, chunk 17, layer 2, from rank 0; rank 0 in the sum over all ranks" \
    "$mpiexec" -n 3 "${job[@]}" stuck 0
reports "a rank stuck in a call of MPI" 0 1 2
# 75, or mpiexec's own code for the ranks that it then kills.
expect "all ranks stuck in a call of MPI" nonzero \
    "stuck in a call of MPI for more than --deadline 2 s; all ranks wait in the sum over all ranks" \
    "$mpiexec" -n 3 "${job[@]}" all-stuck 0
reports "all ranks stuck in a call of MPI" 0 1 2
expect "a rank that skips a collective" 75 \
    "hang: rank 2 .* differs: it waits in a broadcast, collective [0-9]+.*; rank 0 in the sum over all ranks" \
    "$mpiexec" -n 3 "${job[@]}" skip 0
reports "a rank that skips a collective" 0 1 2
expect "a rank that gives up, output kept" 74 "rank 2 was here" "$mpiexec" -n 3 "${job[@]}" abort 0
expect "a stopped rank, broadcast" 75 "waited 2 s for a broadcast from rank 1: $alive" \
    "$mpiexec" -n 2 "${job[@]}" stop-broadcast 0
expect "a killed rank" nonzero - "$mpiexec" -n 3 "${job[@]}" kill 0
expect "sizes that differ" 75 "edge of chunk 17, layer 2 from rank 1 has 8 bytes, 16 were expected" \
    "$mpiexec" -n 2 "${job[@]}" short 0
expect "too few ranks" 2 "3 ranks expected, but MPI sees 2 ranks" \
    "$mpiexec" -n 2 "${job[@]}" none 3
expect "a launcher that MPI does not know" 2 \
    "the launcher started 4 tasks \(SLURM_STEP_NUM_TASKS\), but MPI sees 1 rank:" \
    env SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0 "${job[@]}" none 0
expect "no launcher" 0 - "${job[@]}" none 1
[ $n_failed = 0 ]
