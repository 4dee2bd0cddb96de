#!/bin/bash
# one_rank.sh YOCO DUMP_TOOL SOURCE_FOLDER with|without: the program on one rank without a launcher; `without`: built without
# MPI.
set -u
yoco=$1 tool=$2 model=$3/tests/reference/swa-tiny mpi=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
n_failed=0

# expect CODE PATTERN COMMAND...
expect() {
    local code=$1 pattern=$2 rc
    shift 2
    "$@" >"$folder/log" 2>&1 </dev/null
    rc=$?
    if [ $rc != "$code" ] || ! grep -Eq "$pattern" "$folder/log"; then
        echo "FAILED: exit code $rc, expected $code and '$pattern': $*"
        sed 's/^/    /' "$folder/log"
        n_failed=$((n_failed + 1))
    fi
}

"$tool" ids "$model/expected.safetensors" prompt >"$folder/ids"
run=("$yoco" run -m "$model" --dtype f32 --threads 1)
n=$("$tool" ids "$model/expected.safetensors" generated | wc -l)
expect 0 'decode' "${run[@]}" --prompt-ids "$folder/ids" -n "$n" --expect-ranks 1 --dump "$folder/dump"
expect 0 '' "$tool" expected "$folder/dump" "$model/expected.safetensors" 5e-5
expect 0 'saved' "$yoco" context save -m "$model" --dtype f32 --prompt-ids "$folder/ids" -o "$folder/context"
echo 1 2 3 >"$folder/question"
expect 0 'loaded' "${run[@]}" --context "$folder/context" --question-ids "$folder/question" -n 2
expect 2 '2 ranks expected' "${run[@]}" --prompt-ids "$folder/ids" -n 1 --expect-ranks 2
if [ "$mpi" = without ]; then
    expect 2 'without MPI' env PMI_SIZE=2 PMI_RANK=0 "${run[@]}" --prompt-ids "$folder/ids" -n 1
    expect 0 'decode' env PMI_SIZE=1 PMI_RANK=0 "${run[@]}" --prompt-ids "$folder/ids" -n 1
fi
[ $n_failed = 0 ]
