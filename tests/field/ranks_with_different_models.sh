#!/bin/bash
# ranks_with_different_models.sh: a machine has an older copy of the model folder, in its weights,
# its config or its tokenizer. One line says so, before anything is computed or written.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
# shellcheck source=tests/field/nodes.sh
source "$(dirname "$0")/nodes.sh"

write_log "$folder/log.txt"
write_jobs "$folder/jobs.jsonl"
other=$folder/other
copy_model "$other"

# two COMMAND ARGUMENT...: fills the array `mixed`; rank 1 has the other folder.
two() {
    local words
    read -ra words <<<"$1"
    shift
    mixed=("$mpiexec" -n 1 "$yoco" "${words[@]}" -m "$demo" "$@" :
        -n 1 "$yoco" "${words[@]}" -m "$other" "$@")
}

refused() {
    two batch -i "$folder/jobs.jsonl" -o "$folder/results"
    expect 65 "$1" "${mixed[@]}"
    two 'context save' -f "$folder/log.txt" --chunk 64 -o "$folder/context"
    expect 65 "$1" "${mixed[@]}"
    two run -f "$folder/log.txt" -q "$question" -n 2
    expect 65 "$1" "${mixed[@]}"
    two eval --task needle --trials 1 --depths 1 --length 1K -o "$folder/eval"
    expect 65 "$1" "${mixed[@]}"
    two bench --per-rank --tokens 100 --runs 1 --steps 1
    expect 65 "$1" "${mixed[@]}"
    local path
    for path in results context eval; do
        [ ! -e "$folder/$path" ] || fail "$path was written"
    done
}

two run -f "$folder/log.txt" -q "$question" -n 8
succeed "${mixed[@]}" # a copy is the same model
holds 73914

succeed "$yoco" init --shape "$demo/params.json" --seed 5 -o "$folder/random"
cp "$folder/random/model.safetensors" "$other"
refused "$other: its weights are not rank 0's"
cp "$demo/model.safetensors" "$other"

sed -i 's/"rope_theta": *[0-9.]*/"rope_theta": 20000.0/' "$other/params.json"
refused "$other: its params.json is not rank 0's"
cp "$demo/params.json" "$other"

# Two ids change places.
awk 'NR == 300 {held = $1; next} NR == 301 {print $1, 299; print held, 300; next} {print}' \
    "$demo/demo.tiktoken" >"$other/demo.tiktoken"
refused "$other: its tokenizer is not rank 0's"
rm "$other/yoco_tokenizer.json"
refused "$other: its tokenizer is not rank 0's"

# Also where the ranks that share a file are on several machines.
need_namespaces
cp "$demo/"* "$other"
cp "$folder/random/model.safetensors" "$other"
two_nodes "hostname elsewhere" "$yoco" run -m "$demo" -f "$folder/log.txt" -q "$question" -n 8
succeed "${nodes[@]}"
holds 73914
two_nodes "hostname elsewhere && mount --bind $other $demo" "$yoco" run -m "$demo" -p x -n 1
expect 65 "its weights are not rank 0's" "${nodes[@]}"

finish
