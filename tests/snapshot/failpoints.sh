#!/bin/bash
# failpoints.sh YOCO MPIEXEC DUMP_TOOL window|retention: a save that is killed, or refused by the
# disk, at every write, sync, rename and removal that rank 0 makes; each is taken up on another
# number of ranks, and leaves the files, byte for byte, of a save that nothing disturbed.
source "$(dirname "$0")/driver.sh"
kind=$1
make_model "$kind"
n_chunks=6 points=(file.write file.sync file.rename file.folder file.remove)
if [ "$kind" = retention ]; then
    n_chunks=4 points=(file.rename)
fi
last=$(printf %06d $((n_chunks - 1)))
write_ids "$folder/document.ids" $(((n_chunks - 1) * chunk + 37)) $vocab 1
whole=$folder/whole context=$folder/context
save=(context save -m "$folder/model" --threads 1 --chunk "$chunk"
    --prompt-ids "$folder/document.ids")
check "undisturbed" on 2 "$yoco" "${save[@]}" -o "$whole"


# disturb NAME COUNT ACTION RESUME_RANKS: returns 1 where the failpoint was not reached.
disturb() {
    local what="$kind, --failpoint $1:$2:$3, taken up on $4 ranks" rc
    rm -rf "$context"
    on 2 "$yoco" --failpoint "$1:$2:$3:0" "${save[@]}" -o "$context" >"$folder/log" 2>&1 </dev/null
    rc=$?
    [ $rc != 0 ] || return 1
    case $3 in
        enospc | eio)
            [ $rc = 74 ] || fail "exit code $rc, not 74: $what"
            grep -Eq "error: .*$context" "$folder/log" || fail "the error names no file: $what"
            ;;
    esac
    if [ ! -e "$context/manifest.json" ] && [ -e "$context/partial.json" ]; then
        "$yoco" context info "$context" >"$folder/log" 2>&1
        [ $? = 65 ] || fail "an unfinished folder is taken for a whole one: $what"
    fi
    check "$what" on "$4" "$yoco" "${save[@]}" -o "$context"
    check "same files: $what" same_files
}

# Edges in the middle may be missing: those that were not on disk yet when a later one was.
same_files() {
    local file
    for file in "$whole"/{chunk-*,document*} "$whole/edge-$last.safetensors"; do
        cmp "$file" "$context/${file##*/}" || return 1
    done
    for file in "$context"/edge-*; do
        cmp "$file" "$whole/${file##*/}" || return 1
    done
    [ -z "$(find "$context" -name '*.tmp' -o -name partial.json)" ] &&
        "$yoco" context verify "$context" -m "$folder/model"
}

# Every count that is reached; the actions and the ranks that take up go round.
actions=(kill enospc torn eio)
ranks=(3 1 5 2)
for name in "${points[@]}"; do
    for ((count = 1; ; count++)); do
        disturb $name $count "${actions[count % 4]}" "${ranks[count % 3]}" || break
        [ "${actions[count % 4]}" = kill ] || disturb $name $count kill "${ranks[count % 4]}"
    done
    echo "done: $name, $((count - 1)) times"
    [ $count -gt 1 ] || fail "$name is never reached"
done
rm -rf "$context"
check "short writes" on 2 "$yoco" --failpoint file.write:1:short "${save[@]}" -o "$context"
check "same files after short writes" diff -r "$whole" "$context"

# The same for the checkpoint of a run: the answers are out also where the disk is full.
run 1 "$folder/fresh" -m "$folder/model" --threads 1 --chunk $chunk -n 4 \
    --prompt-ids "$folder/document.ids"
checkpointed=(run -m "$folder/model" --threads 1 --chunk "$chunk" -n 4
    --prompt-ids "$folder/document.ids" --checkpoint "$context")
rm -rf "$context"
on 2 "$yoco" --failpoint file.rename:4:enospc:1 "${checkpointed[@]}" \
    >"$folder/answer" 2>"$folder/log" </dev/null
[ $? = 74 ] || fail "exit code of a run whose checkpoint meets a full disk"
grep -q "error: .*$context/.*No space left" "$folder/log" || fail "the error names no file"
grep -Eq '^[0-9]+ [0-9]+ [0-9]+ [0-9]+$' "$folder/answer" || fail "no answer on a full disk"
for point in file.write:2:kill file.rename:2:torn file.remove:3:kill; do
    expect killed "" on 3 "$yoco" --failpoint "$point:0" "${checkpointed[@]}"
done
check "the checkpoint is taken up" on 2 "$yoco" "${checkpointed[@]}" --dump "$folder/dump"
check "same bytes from the checkpoint" cmp "$folder/fresh" "$folder/dump"
[ ! -e "$context" ] || fail "the checkpoint of a job that is done is still there"
[ $n_failed = 0 ]
