#!/bin/bash
# dump_hashes.sh YOCO MPIEXEC [RANKS...]: hashes of `run --dump`, to hold a change against the program before it: every
# model of tests/reference and models/demo, both dtypes, every backend and instruction set; a document and two
# questions, chunks shorter than the document. A line for each model, dtype and arithmetic; it fails where numbers of
# ranks differ (1 2 3 5 7 unless given). Hashes are of one machine, compiler and set of libraries: compare two programs.
set -euo pipefail
yoco=$1 mpiexec=$2
shift 2
ranks=("$@")
[ $# -gt 0 ] || ranks=(1 2 3 5 7)
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# write_ids FILE N VOCAB SALT: N ids that look random.
write_ids() {
    awk -v n="$2" -v vocab="$3" -v x="$4" 'BEGIN {
        for (i = 0; i < n; i++) {
            x = (x * 1103515 + 12345 + i) % 2147483
            print x % vocab
        }
    }' >"$1"
}

# has ISA: whether this processor has it.
has() {
    "$yoco" plan -m "$root/tests/reference/swa-tiny" --tokens 1 --isa "$1" >/dev/null 2>&1
}

arithmetics=("--backend reference")
for isa in portable avx2 avx512 avx512_bf16; do
    has $isa && arithmetics+=("--backend cpu --isa $isa")
done

# field FILE NAME: a number of a model's config.
field() {
    tr -d '\n' <"$1" | sed -nE "s/.*\"$2\": *([0-9]+|null).*/\1/p"
}

# hash_of RANKS OPTION...
hash_of() {
    local n=$1 launcher=()
    shift
    [ "$n" = 1 ] || launcher=("$mpiexec" -n "$n")
    rm -f "$work/dump"
    "${launcher[@]}" "$yoco" run --deadline 300 --threads 1 --dump "$work/dump" "$@" \
        >"$work/log" 2>&1 </dev/null || { cat "$work/log" >&2; return 1; }
    md5sum <"$work/dump" | cut -d' ' -f1
}

status=0
for model in "$root"/tests/reference/*/ "$root/models/demo/"; do
    config=$model/params.json
    [ -e "$config" ] || config=$model/config.json
    vocab=$(field "$config" vocab_size)
    chunk=70
    ! grep -qE '"sliding_window": *null|"gated_retention"' "$config" || chunk=256
    write_ids "$work/document" 530 "$vocab" 1
    write_ids "$work/short" 3 "$vocab" 2
    write_ids "$work/long" 45 "$vocab" 3
    options=(-m "$model" --prompt-ids "$work/document" --question-ids "$work/short" --question-ids "$work/long"
        -n 5 --chunk "$chunk")
    for dtype in f32 bf16; do
        for arithmetic in "${arithmetics[@]}"; do
            first=
            for n in "${ranks[@]}"; do
                # shellcheck disable=SC2086
                one=$(hash_of "$n" "${options[@]}" --dtype $dtype $arithmetic)
                first=${first:-$one}
                [ "$one" = "$first" ] || { echo "$n ranks differ from one"; status=1; }
            done
            echo "$first  $(basename "$model") $dtype $arithmetic"
        done
    done
done
exit $status
