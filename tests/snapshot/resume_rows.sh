#!/bin/bash
# resume_rows.sh YOCO MPIEXEC DUMP_TOOL: a save of a model whose layers attend over all rows before is
# killed in the middle and taken up on other numbers of ranks, where rows of other ranks stay and
# where they come round again: the files of a save that nothing disturbed.
source "$(dirname "$0")/driver.sh"
make_model llama
write_ids "$folder/document.ids" $((9 * chunk + 37)) $vocab 1
save=(context save -m "$folder/model" --threads 1 --chunk "$chunk"
    --prompt-ids "$folder/document.ids")
check "undisturbed" on 2 "$yoco" "${save[@]}" -o "$folder/whole"

# resume RANKS OPTION...: options before the command.
resume() {
    local ranks=$1 file
    shift
    rm -rf "$folder/context"
    on 2 "$yoco" --failpoint file.rename:5:kill:0 "${save[@]}" -o "$folder/context" \
        >/dev/null 2>&1 </dev/null
    check "taken up on $ranks ranks $*" on "$ranks" "$yoco" "$@" "${save[@]}" -o "$folder/context"
    grep -Eq '[1-9][0-9]* of [0-9]+ tokens are in' "$folder/log" || fail "nothing was taken up"
    ! grep -q 'prefill 0 tokens' "$folder/log" || fail "nothing was left to do"
    for file in "$folder"/whole/{chunk-*,document*}; do
        check "same bytes on $ranks ranks $*" cmp "$file" "$folder/context/${file##*/}"
    done
}

for ranks in 1 2 3 5; do
    resume $ranks
    [ $ranks = 1 ] || resume $ranks --failpoint worker.keep_rows:1:eio
done
[ $n_failed = 0 ]
