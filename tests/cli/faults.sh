#!/bin/bash
# faults.sh: a rank that stops answering or dies in the middle of a run: the others end it within
# the deadline, and no process remains.
source "$(dirname "$0")/driver.sh"

# pids of the yoco processes of this test, "RANK PID" per line.
ranks() {
    local process arguments rank
    for process in /proc/[0-9]*; do
        mapfile -d '' -t arguments 2>/dev/null <"$process/cmdline" || continue
        [ "${arguments[0]:-}" = "$yoco" ] || continue
        [[ ${arguments[*]} == *"$folder"* ]] || continue
        rank=$(tr '\0' '\n' 2>/dev/null <"$process/environ" | sed -n 's/^PMI_RANK=//p')
        grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "$process/status" &&
            echo "${rank:-0} ${process#/proc/}"
    done
}

# By process id: a stopped rank would stay for ever.
kill_remaining() {
    local rank pid
    while read -r rank pid; do
        kill -KILL "$pid"
    done < <(ranks)
}
trap 'kill_remaining; rm -rf "$folder"' EXIT

# wait_for WHAT COMMAND...: at most 60 s.
wait_for() {
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        "$@" && return
        sleep 0.1
    done
    fail "waited in vain for $what"
}

# fault NAME SIGNAL RANK READY STATUS PATTERN OPTION...: SIGNAL to one of 3 ranks once the file READY
# has something in it. STATUS "nonzero" is any failure; PATTERN "-" is any output.
fault() {
    local name=$1 signal=$2 rank=$3 ready=$4 status=$5 pattern=$6 job pid rc
    shift 6
    : >"$folder/out"
    : >"$folder/err"
    timeout --signal=KILL 90 "$mpiexec" -n 3 "$yoco" run -m "$folder/model" --threads 1 \
        --deadline 3 --hang-dir "$folder" "$@" >"$folder/out" 2>"$folder/err" </dev/null &
    job=$!
    wait_for "$name to begin" test -s "$folder/$ready"
    pid=$(ranks | sed -n "s/^$rank //p")
    kill -"$signal" "$pid" || fail "$name: no rank $rank"
    wait $job
    rc=$?
    if [ $rc = 137 ]; then
        fail "$name: nothing ended it"
    elif [ "$status" = nonzero ]; then
        [ $rc != 0 ] || fail "$name: exit code 0"
    elif [ $rc != "$status" ]; then
        fail "$name: exit code $rc, not $status"
    fi
    [ "$pattern" = - ] || grep -Eq "$pattern" "$folder/err" || fail "$name: no line '$pattern'"
    if [ "$signal" = STOP ]; then
        grep -Eq "hang: rank $rank \(.*, pid $pid\) wrote no file" "$folder/err" ||
            fail "$name: rank $rank is not named"
        [ "$(compgen -G "$folder/hang-*.json" | wc -l)" = 2 ] ||
            fail "$name: not one file for each rank that lives"
        rm -f "$folder"/hang-*
    fi
    [ -z "$(ranks)" ] || sleep 2
    [ -z "$(ranks)" ] || fail "$name: processes remain: $(ranks)"
    kill_remaining
    echo "done: $name"
}

# Long enough to be in the middle of things on any machine: the plain backend.
init_model model 64 4104 200000
seq 1 150000 | awk '{ print $1 % 4104 }' >"$folder/long"
seq 1 9 >"$folder/short"
prefill=(--prompt-ids "$folder/long" --backend reference --chunk 256 -n 1)
decode=(--prompt-ids "$folder/short" --backend reference -n 150000)

edge='error: waited 3 s for (the )?edge of chunk .*is that rank alive'
waited='error: waited 3 s for .*is (that|every) rank alive'
fault "a stopped rank, prefill" STOP 1 err 75 "$edge" "${prefill[@]}"
fault "a stopped rank, decode" STOP 2 out 75 "$waited" "${decode[@]}"
fault "rank 0 stopped, decode" STOP 0 out 75 "$waited" "${decode[@]}"
fault "a killed rank, prefill" KILL 2 err nonzero - "${prefill[@]}"
fault "a killed rank, decode" KILL 1 out nonzero - "${decode[@]}"
[ $n_failed = 0 ]
