#!/bin/bash
# resume.sh: a batch that was killed, or whose disk failed, goes on and ends with the same lines.
source "$(dirname "$0")/driver.sh"

mixed_jobs >"$input"
completion bad '"prompt": "p", "n": 3' >>"$input"
ends 65 "${batch[@]}" -i "$input" -o "$output"
cp "$output" "$folder/expected"
n_lines=$(wc -l <"$output")

# go_on: the batch once more, on some number of ranks; it must end with the expected lines.
go_on() {
    ends 65 "$mpiexec" -n $((RANDOM % 4 + 1)) "${batch[@]}" -i "$input" -o "$output"
    same_lines "$output" "$folder/expected"
}

nothing_left() {
    cp "$output" "$folder/before"
    ends 65 "${batch[@]}" -i "$input" -o "$output" --resume
    cmp -s "$output" "$folder/before" || fail "a batch that was done wrote something"
    grep -q '10 jobs are in' "$folder/err" || fail "no word about the jobs that are done"
}

# Killed before, in and after each append, on each number of ranks in turn.
killed() {
    local count action
    for ((count = 1; count <= n_lines; count++)); do
        for action in kill torn; do
            rm -f "$output"
            ends_badly "$mpiexec" -n $((count % 4 + 1)) "$yoco" --failpoint \
                "results.append:$count:$action" "${batch[@]:1}" -i "$input" -o "$output"
            [ "$(wc -l <"$output")" -lt "$count" ] || fail "a line that was not durable"
            go_on
        done
    done
    rm -f "$output"
    ends_badly "$mpiexec" -n 2 "$yoco" --failpoint results.sync:3:kill "${batch[@]:1}" \
        -i "$input" -o "$output"
    go_on
    rm -f "$output"
    ends_badly "$yoco" --failpoint file.folder:1:kill "${batch[@]:1}" -i "$input" -o "$output"
    [ ! -s "$output" ] || fail "an output before its time"
    go_on
}

ends_badly() {
    timeout --signal=KILL 120 "$@" >"$folder/out" 2>"$folder/err" </dev/null && fail "no failure: $*"
}

# Some rank dies at some moment, again and again, on some number of ranks, until all is done.
ranks_die() {
    local i n victim
    for i in 1 2 3 4 5 6 7 8; do
        completion "slow-$i" "\"prompt\": [\"One $i\", \"Two\"], \"max_tokens\": 60, \"seed\": $i"
    done >"$folder/slow.jsonl"
    succeed "${batch[@]}" -i "$folder/slow.jsonl" -o "$folder/undisturbed"
    rm -f "$output"
    for ((i = 0; i < 15; i++)); do
        n=$((RANDOM % 4 + 1)) victim=$((RANDOM % n))
        rm -f "$folder"/pid.*
        # shellcheck disable=SC2016
        timeout --signal=KILL 120 "$mpiexec" -n $n bash -c 'echo $$ >"$0.$PMI_RANK"; exec "$@"' \
            "$folder/pid" "${batch[@]}" -i "$folder/slow.jsonl" -o "$output" \
            >"$folder/out" 2>"$folder/err" </dev/null &
        sleep $((RANDOM % 2)).$((RANDOM % 9 + 1))
        [ ! -s "$folder/pid.$victim" ] || kill -9 "$(cat "$folder/pid.$victim")" 2>/dev/null
        wait $! && break
    done
    succeed "${batch[@]}" -i "$folder/slow.jsonl" -o "$output"
    same_lines "$output" "$folder/undisturbed"
}

# A long document goes on from its checkpoint, which goes when the job is done.
checkpoints() {
    local n with=("${batch[@]:1}" -i "$folder/good.jsonl" -o "$output" --checkpoint "$folder/kept")
    grep -v '"bad"' "$folder/expected" >"$folder/good"
    for n in 1 2 3; do
        rm -rf "$output" "$folder/kept"
        ends_badly "$mpiexec" -n $n "$yoco" --failpoint "file.rename:5:kill" "${with[@]}"
        [ -n "$(ls -A "$folder/kept")" ] || fail "no checkpoint after a kill on $n ranks"
        cp -r "$folder/kept/." "$folder/copy"
        succeed "$mpiexec" -n $((4 - n)) "$yoco" "${with[@]}"
        same_lines "$output" "$folder/good"
        [ -z "$(ls -A "$folder/kept")" ] || fail "a checkpoint is left of a batch that is done"
        mv "$folder/copy"/* "$folder/kept/" # as after a kill before it was removed
        succeed "$yoco" "${with[@]}"
        [ -z "$(ls -A "$folder/kept")" ] || fail "a checkpoint is left of a job that was done"
    done
    rm -f "$output"
    ends 74 "$yoco" --failpoint file.write:3:enospc "${with[@]}"
    [ "$(wc -l <"$output")" -gt 0 ] || fail "a checkpoint that cannot be written costs the answer"
    succeed "$yoco" "${with[@]}"
    same_lines "$output" "$folder/good"
}

# SIGUSR1 to one rank: exit code 75 between two tokens, nothing torn, and the rest comes later.
stopped() {
    local rc
    rm -f "$output" "$folder"/pid.*
    # shellcheck disable=SC2016
    timeout --signal=KILL 120 "$mpiexec" -n 3 bash -c 'echo $$ >"$0.$PMI_RANK"; exec "$@"' \
        "$folder/pid" "${batch[@]}" -i "$folder/slow.jsonl" -o "$output" \
        >"$folder/out" 2>"$folder/err" </dev/null &
    until [ -s "$output" ] || ! kill -0 $!; do sleep 0.01; done
    kill -USR1 "$(cat "$folder/pid.1")"
    wait $!
    rc=$?
    same "exit code after SIGUSR1" $rc 75
    grep -q 'stopped as asked' "$folder/err" || fail "no word about the stop"
    [ "$(wc -l <"$output")" -lt 8 ] || fail "not stopped"
    succeed "${batch[@]}" -i "$folder/slow.jsonl" -o "$output"
    same_lines "$output" "$folder/undisturbed"
}

# The disk fails: an error, no torn line, nothing lost.
disk_fails() {
    local action
    for action in enospc eio; do
        rm -f "$output"
        expect 74 'writing to .*results.jsonl failed' "$yoco" --failpoint "results.append:4:$action" \
            "${batch[@]:1}" -i "$folder/good.jsonl" -o "$output"
        same "whole lines" "$(wc -l <"$output")" 3
        same "last byte" "$(tail -c 1 "$output" | od -An -c | tr -d ' ')" '\n'
        expect 74 'syncing .*results.jsonl failed' "$yoco" --failpoint "results.sync:2:$action" \
            "${batch[@]:1}" -i "$folder/good.jsonl" -o "$output"
        go_on
    done
    rm -f "$output"
    ends 65 "$yoco" --failpoint results.append:1:short "${batch[@]:1}" -i "$input" -o "$output"
    same_lines "$output" "$folder/expected"
}

# A torn line of any length is dropped.
torn() {
    local size
    for size in 1 7 20 400; do
        head -n 4 "$folder/expected" >"$output"
        sed -n 5p "$folder/expected" | head -c $size >>"$output"
        go_on
        head -c $size "$folder/expected" >"$output"
        go_on
    done
}

# What the file holds must answer this very question; else it stays as it is.
mismatches() {
    local advice='give another output file, or --overwrite'
    cp "$folder/expected" "$output"
    grep -v '"bad"' "$input" >"$folder/good.jsonl"
    grep -v '"bad"' "$folder/expected" >"$output"
    cp "$output" "$folder/before"
    expect 65 "'chunk 64' then, 'chunk 128' now; $advice" "${batch[@]}" -i "$folder/good.jsonl" \
        -o "$output" --chunk 128
    expect 65 "arithmetic .* then, .*portable.* now; $advice" "${batch[@]}" -i "$folder/good.jsonl" \
        -o "$output" --isa portable
    succeed "$yoco" init --shape "$folder/model.json" -o "$folder/other" --dtype f32 --seed 6
    add_tokenizer "$folder/other"
    expect 65 "'model [0-9a-f]*' then, 'model [0-9a-f]*' now; $advice" "$yoco" batch \
        -m "$folder/other" --chunk 64 --documents "$folder/docs" -i "$folder/good.jsonl" -o "$output"
    sed 's/"max_tokens": 9/"max_tokens": 8/' "$folder/good.jsonl" >"$folder/changed.jsonl"
    expect 65 "answers 'short', but that job, or its document, has changed .*changed.jsonl:2" \
        "${batch[@]}" -i "$folder/changed.jsonl" -o "$output"
    grep -v talk "$folder/good.jsonl" >"$folder/fewer.jsonl"
    expect 65 "answers 'talk', which is no job" "${batch[@]}" -i "$folder/fewer.jsonl" -o "$output"
    cp "$folder/docs/sub/short.txt" "$folder/kept"
    echo more >>"$folder/docs/sub/short.txt"
    expect 65 "answers 'short', but that job, or its document, has changed" "${batch[@]}" \
        -i "$folder/good.jsonl" -o "$output"
    mv "$folder/kept" "$folder/docs/sub/short.txt"
    cmp -s "$output" "$folder/before" || fail "a file that was refused has changed"
    succeed "${batch[@]}" -i "$folder/good.jsonl" -o "$output" --chunk 128 --overwrite
    grep -q 'chunk 128' "$output" || fail "not overwritten"
}

# Files that are not ours are not touched.
strangers() {
    echo 'my only notes' >"$folder/notes"
    expect 65 'is no result of yoco batch' "${batch[@]}" -i "$folder/good.jsonl" -o "$folder/notes"
    printf 'notes without a newline' >"$folder/notes"
    expect 65 'is no output of yoco' "${batch[@]}" -i "$folder/good.jsonl" -o "$folder/notes"
    same "notes" "$(cat "$folder/notes")" 'notes without a newline'
    cp "$folder/good.jsonl" "$folder/link-to.jsonl"
    ln -sf link-to.jsonl "$folder/link.jsonl"
    expect 2 '--input .* is the same as' "${batch[@]}" -i "$folder/link-to.jsonl" -o "$folder/link.jsonl"
    expect 2 '--input .* is the same as' bash -c '"$@" <"$0"' "$folder/link-to.jsonl" \
        "${batch[@]}" -i - -o "$folder/link.jsonl"
    expect 2 '--input .* is the same as --output' "${batch[@]}" -i "$folder/good.jsonl" -o "$folder/good.jsonl"
    cmp -s "$folder/link-to.jsonl" "$folder/good.jsonl" || fail "the input was touched"
    expect 66 'not a regular file' "${batch[@]}" \
        -i "$folder/good.jsonl" -o "$folder"
    cp "$folder/expected" "$output"
    (
        flock 9
        expect 66 'is being written by another process' "${batch[@]}" -i "$folder/good.jsonl" -o "$output"
        exit $n_failed
    ) 9>>"$output" || n_failed=$((n_failed + 1))
}

# Memory that does not do on one rank costs the jobs it does not do for; a later run answers them.
no_memory() {
    rm -f "$output"
    ends 70 "$mpiexec" -n 2 "$yoco" --failpoint worker.memory:3:enospc:1 "${batch[@]:1}" \
        -i "$folder/good.jsonl" -o "$output"
    grep -q '"status_code":500.*needs more memory than there is.*"param":"body' "$output" || fail "no error record"
    grep -q '"status_code":200' "$output" || fail "no answer at all"
    succeed "$mpiexec" -n 3 "${batch[@]}" -i "$folder/good.jsonl" -o "$output"
    same_lines "$output" <(grep '"status_code":200' "$folder/expected")
}

# Error records stay while their lines are bad, once each, and go when they are good.
mended() {
    rm -f "$output"
    ends 65 "${batch[@]}" -i "$input" -o "$output"
    sed 's/"n": 3/"n": 1/' "$input" >"$folder/mended.jsonl"
    succeed "${batch[@]}" -i "$folder/mended.jsonl" -o "$output"
    same "lines" "$(wc -l <"$output")" "$n_lines"
    grep -q '"status_code":400' "$output" && fail "the error record is still there"
    line_of bad "$output"
}

mismatches
for part in nothing_left killed ranks_die stopped checkpoints disk_fails torn strangers no_memory mended; do
    [ $part != nothing_left ] || cp "$folder/expected" "$output"
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
