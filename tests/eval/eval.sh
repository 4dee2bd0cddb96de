#!/bin/bash
# eval.sh: `yoco eval` on a tiny model with random weights: the same answers on any number of ranks,
# resumed after kill -9, refused where it would mix runs, and prompts printed as they are asked.
source "$(dirname "$0")/../cli/driver.sh"

init_model model 16 4104 2000
init_model other 16 4104 2000
add_tokenizer "$folder/model"
sed -i 's/2000/1999/' "$folder/other/params.json"
add_tokenizer "$folder/other"
cat "$source"/docs/*.md >"$folder/hay"
base=("$yoco" eval -m "$folder/model" --haystack "$folder/hay" --chunk 64 --threads 1)
tiny=("${base[@]}" --length 256 --depths 2 --trials 1 --needles 2)
touch "$folder/out" "$folder/err"

# answers DIR: samples.jsonl without what may differ from run to run.
answers() {
    sed -E 's/"prefill_s":[0-9.e-]+,"decode_s":[0-9.e-]+,"ranks":[0-9]+,"threads":[0-9]+,//' \
        "$1/samples.jsonl"
}

# same_answers A B
same_answers() {
    cmp -s <(answers "$1") <(answers "$2") || fail "$2 has other answers than $1"
    cmp -s "$1/results.json" "$2/results.json" || fail "$2 has other results than $1"
}

ranks() {
    local n tasks=(--task needle --task multikey --task multiquery --task multivalue)
    for n in 1 2 3; do
        succeed "$mpiexec" -n $n "${tiny[@]}" -o "$folder/ranks$n" "${tasks[@]}" \
            --task yoco-compat --length 512 -n 4
        same "lines of all tasks" "$(wc -l <"$folder/ranks$n/samples.jsonl")" 18
        grep -q "\"ranks\":$n," "$folder/ranks$n/samples.jsonl" || fail "no ranks in the lines"
    done
    same_answers "$folder/ranks1" "$folder/ranks2"
    same_answers "$folder/ranks1" "$folder/ranks3"
    answers "$folder/ranks1" | grep -v compat | grep -Ev '"length":(256|512),.*"tokens":\1,' &&
        fail "a document is not as long as asked"
    # a task alone gives the same documents as beside others
    succeed "${tiny[@]}" -o "$folder/alone" --task multivalue -n 4
    cmp -s <(answers "$folder/alone") <(answers "$folder/ranks1" | grep multivalue | head -1) ||
        fail "a document depends on the others of its run"
}

# Killed with no chance to clean up, with a torn line after it, and continued.
resume() {
    local run=("${base[@]}" --task needle --task multiquery --length 512 --depths 10 --trials 6
        --needles 2 -n 8) pid n
    succeed "${run[@]}" -o "$folder/whole"
    mkdir "$folder/killed"
    touch "$folder/killed/samples.jsonl"
    "${run[@]}" -o "$folder/killed" >"$folder/out" 2>"$folder/err" </dev/null &
    pid=$!
    while kill -0 $pid && [ "$(wc -l <"$folder/killed/samples.jsonl")" -lt 3 ]; do
        sleep 0.02
    done
    kill -9 $pid
    wait $pid 2>/dev/null
    n=$(wc -l <"$folder/killed/samples.jsonl")
    [ "$n" -lt 72 ] || fail "the run was over before it was killed"
    cp "$folder/killed/samples.jsonl" "$folder/before"
    printf '{"version":1,"task":"need' >>"$folder/killed/samples.jsonl"
    expect 2 'killed/samples.jsonl holds the answers of a run: continue it with --resume' \
        "${run[@]}" -o "$folder/killed"
    succeed "${run[@]}" -o "$folder/killed" --resume
    grep -q 'dropping its last line' "$folder/err" || fail "no word of the torn line"
    grep -Eq '^66 documents, [1-9][0-9]* of them done already' "$folder/err" ||
        fail "no word of what was done"
    cmp -s <(head -n 3 "$folder/before") <(head -n 3 "$folder/killed/samples.jsonl") ||
        fail "what was done was done again"
    same_answers "$folder/whole" "$folder/killed"
    # a document with one of two answers, and on other ranks
    head -n -3 "$folder/whole/samples.jsonl" >"$folder/killed/samples.jsonl"
    succeed "$mpiexec" -n 2 "${run[@]}" -o "$folder/killed" --resume
    same_answers "$folder/whole" "$folder/killed"
    # nothing to do, and the whole again
    succeed "${run[@]}" -o "$folder/killed" --resume
    same_answers "$folder/whole" "$folder/killed"
    succeed "${run[@]}" -o "$folder/killed" --overwrite
    same_answers "$folder/whole" "$folder/killed"
}

grows() {
    local dir=$folder/grows
    succeed "${tiny[@]}" -o "$dir" --task needle -n 4
    cp "$dir/samples.jsonl" "$folder/before"
    succeed "${tiny[@]}" -o "$dir" --task needle --task multiquery -n 4 --resume
    cmp -s "$folder/before" <(head -n 2 "$dir/samples.jsonl") || fail "the first task changed"
    same "lines of two tasks" "$(wc -l <"$dir/samples.jsonl")" 4
}

# What would mix two runs in one folder, or cannot run.
refusals() {
    local dir=$folder/refusals
    succeed "${tiny[@]}" -o "$dir" --task multiquery -n 4
    local again=("${tiny[@]}" -o "$dir" --task multiquery -n 4 --resume)
    cp "$dir/samples.jsonl" "$folder/before"
    expect 65 'was made with --seed 0, this run has 1' "${again[@]}" --seed 1
    expect 65 'was made with --chunk 64, this run has 32' "${again[@]}" --chunk 32
    expect 65 'was made with the haystack' "${again[@]}" --haystack "$source/README.md"
    expect 65 'was made with the arithmetic' "${again[@]}" --backend reference
    expect 65 'answers of at most .tokens. 4, this run has 5' "${again[@]}" -n 5
    expect 65 'was made with the model' "$mpiexec" -n 2 "${again[@]}" -m "$folder/other"
    cmp -s "$dir/samples.jsonl" "$folder/before" || fail "a refusal changed the answers"
    cat "$folder/before" "$folder/before" >"$dir/samples.jsonl"
    expect 65 'samples.jsonl:4: this document stands in the file already' "${again[@]}"
    sed 1d "$folder/before" >"$dir/samples.jsonl"
    expect 65 'samples.jsonl:1: the answers of a document do not stand together' "${again[@]}"
    sed '1s/multiquery/multi/' "$folder/before" >"$dir/samples.jsonl"
    expect 65 'samples.jsonl:1: .*unknown task' "${again[@]}"
    head -c 10 "$folder/before" >"$dir/samples.jsonl"
    echo >>"$dir/samples.jsonl"
    expect 65 'samples.jsonl:1: not an answer' "${again[@]}"
    rm "$dir/samples.jsonl"
    mkdir "$dir/samples.jsonl"
    expect 66 'cannot write .*samples.jsonl' "${again[@]}"
    rmdir "$dir/samples.jsonl"
    (
        exec 9>"$dir/samples.jsonl"
        flock 9
        expect 66 'is being written by another process' "${again[@]}"
        exit $n_failed
    )
    n_failed=$?
}

usage() {
    local run=("${tiny[@]}" -o "$folder/usage")
    expect 2 '-m MODEL is missing' "$yoco" eval -o "$folder/usage"
    expect 2 '-o DIR is missing' "${tiny[@]}"
    expect 2 'not both' "${run[@]}" --resume --overwrite
    expect 2 "not 'haystack'" "${run[@]}" --task haystack
    expect 2 '--length 256 is given twice' "${run[@]}" --length 256
    expect 2 "--length is .* not 'long'" "${run[@]}" --length long
    expect 2 '--needles is .* not .0' "${run[@]}" --needles 0
    expect 2 'yoco-compat has 100 cities' "${run[@]}" --needles 101 --task yoco-compat
    expect 2 '--seed' "${run[@]}" --seed 9223372036854775808
    expect 2 "max_seq_len is only 2000" "${base[@]}" -o "$folder/usage"
    expect 2 'takes one folder' "$yoco" eval report
    expect 65 '--length 2000 is too long' "$mpiexec" -n 2 "${run[@]}" --length 2000
    expect 65 '--length 1950 is too long' "${run[@]}" --length 1950 -n 100
    expect 65 '--length 32 is too short' "${run[@]}" --length 32 --needles 4
    expect 65 '--length 150 is too short for yoco-compat' "${run[@]}" --length 150 \
        --task yoco-compat
    expect 66 'nowhere' "${run[@]}" --haystack "$folder/nowhere"
    printf 'no line break' >"$folder/line"
    expect 65 'no line breaks' "${base[@]/$folder\/hay/$folder\/line}" --length 256 \
        -o "$folder/usage"
    expect 66 'cannot write .*no/where' "${tiny[@]}" -o "$folder/no/where"
    cp -r "$folder/model" "$folder/mute"
    rm "$folder/mute/yoco_tokenizer.json"
    expect 65 'has no tokenizer' "${run[@]}" -m "$folder/mute"
    [ -e "$folder/usage" ] && fail "a refused run made its folder"
}

# The very text of the samples, and no answers.
dump_prompt() {
    local asked value i
    succeed "${tiny[@]}" --task multikey --depths 1 --seed 3 --dump-prompt
    cp "$folder/out" "$folder/prompt"
    [ -e "$folder/dump" ] && fail "--dump-prompt wrote a folder"
    succeed "${tiny[@]}" --task multikey --depths 1 --seed 3 -o "$folder/dump" -n 4
    asked=$("$json_tool" "$folder/dump/samples.jsonl" asked)
    same "question" "
$(tail -n 3 "$folder/prompt")" "$asked"
    for i in 0 1; do
        value=$("$json_tool" "$folder/dump/samples.jsonl" needles $i text)
        same "times of needle $i" "$(grep -Fxc "$value" "$folder/prompt")" 1
    done
    succeed "$mpiexec" -n 2 "${tiny[@]}" --task multikey --depths 1 --seed 3 --dump-prompt
    cmp -s "$folder/out" "$folder/prompt" || fail "another prompt on 2 ranks"
    succeed "${tiny[@]}" --task yoco-compat --depths 1 --needles 1 --dump-prompt
    holds '^There is a special magic number inside'
    holds '^The special magic .* number is [0-9]+ \. $'
    holds '^What is the special magic .* The special magic .* number is  $'
}

for part in ranks resume grows refusals usage dump_prompt; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
