#!/bin/bash
# kill_loop.sh YOCO MPIEXEC DUMP_TOOL JSON_TOOL SOURCE_FOLDER N_KILLS [SEED]: N_KILLS runs of a batch,
# each killed at some rank at some moment and followed by one on another number of ranks. No line is
# ever lost, wrong or there twice; a batch that is done is checked, and begun anew.
source "$(dirname "$0")/driver.sh"
source "$(dirname "$0")/long_jobs.sh"
n_kills=$6 seed=${7:-$((SRANDOM % 32768))}
RANDOM=$seed
echo "seed $seed"
checkpoint=$folder/kept
command=("${batch[@]}" -i "$input" -o "$output" --checkpoint "$checkpoint")

# start N: the batch on N ranks, in the background, which leave their process ids in "$folder".
start() {
    rm -f "$folder"/pid.*
    # shellcheck disable=SC2016
    "$mpiexec" -n "$1" bash -c 'echo $$ >"$0.$PMI_RANK"; exec "$@"' "$folder/pid" \
        "${command[@]}" >"$folder/out" 2>"$folder/err" </dev/null &
}

# durable: whole lines of the output.
durable() {
    [ ! -e "$output" ] || { cat "$output" && printf torn; } | sed '$d'
}

# nothing_lost N_BEFORE: at least so many lines, each of them right and there once.
nothing_lost() {
    local wrong
    wrong=$(comm -23 <(durable | sort) <(sort "$folder/undisturbed"))
    [ -z "$wrong" ] || fail "wrong, or there twice: $wrong"
    [ "$(durable | wc -l)" -ge "$1" ] || fail "less than the $1 lines that were durable"
}

done_right() {
    same_lines "$output" "$folder/undisturbed"
    [ -z "$(ls -A "$checkpoint")" ] || fail "a checkpoint is left"
    rm -rf "$output" "$checkpoint"
}

# A kill falls into the first half of the time that a whole batch takes here.
measure() {
    local begin=${EPOCHREALTIME/./}
    start 3
    wait $! || fail "exit code $? without a kill"
    half_us=$(((${EPOCHREALTIME/./} - begin) / 2))
    done_right
}

# kill_one: one run; false if it was done before its kill.
kill_one() {
    local n_before victim delay_us late=''
    n_before=$(durable | wc -l)
    ranks=$(((ranks + RANDOM % 3) % 4 + 1)) # other than before
    victim=$((RANDOM % ranks))
    delay_us=$((RANDOM * half_us / 32768))
    start $ranks
    sleep $((delay_us / 1000000))."$(printf %06d $((delay_us % 1000000)))"
    until [ -s "$folder/pid.$victim" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
    kill -KILL "$(cat "$folder/pid.$victim")" 2>/dev/null || late=late
    wait $! && return 1
    [ -z "$late" ] || fail "ended badly before the kill"
    nothing_lost "$n_before"
    printf 'rank %d of %d killed after %d ms: %d lines, %d files of checkpoints\n' $victim $ranks \
        $((delay_us / 1000)) "$(durable | wc -l)" \
        "$(find "$checkpoint" -name '*.safetensors' 2>/dev/null | wc -l)"
}

long_jobs
measure
ranks=3 killed=0
while [ $killed -lt "$n_kills" ] && [ $n_failed = 0 ]; do
    if kill_one; then
        killed=$((killed + 1))
    else
        done_right
    fi
done
start $((ranks % 4 + 1))
wait $! || fail "exit code $? of the last run"
done_right
echo "$killed runs killed"
[ $n_failed = 0 ]
