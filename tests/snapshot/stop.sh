#!/bin/bash
# stop.sh YOCO MPIEXEC DUMP_TOOL: SIGTERM or SIGUSR1 to one rank stops all with exit code 75, what was
# computed is on disk, and the same command on other ranks ends with the bytes of an undisturbed run.
source "$(dirname "$0")/driver.sh"
make_model window
write_ids "$folder/document.ids" 40000 $vocab 1
context=$folder/context
base=(-m "$folder/model" --threads 1 --backend reference --chunk 200
    --prompt-ids "$folder/document.ids")

# pid_of RANK: of this test's processes.
pid_of() {
    local process arguments rank
    for process in /proc/[0-9]*; do
        mapfile -d '' -t arguments 2>/dev/null <"$process/cmdline" || continue
        [ "${arguments[0]:-}" = "$yoco" ] && [[ ${arguments[*]} == *"$folder"* ]] || continue
        rank=$(tr '\0' '\n' 2>/dev/null <"$process/environ" | sed -n 's/^PMI_RANK=//p')
        [ "${rank:-0}" = "$1" ] && echo "${process#/proc/}"
    done
}

# stop RANKS RANK SIGNAL FILE COMMAND...: once FILE is there.
stop() {
    local ranks=$1 rank=$2 signal=$3 file=$4 job rc i
    shift 4
    on "$ranks" "$yoco" "$@" >"$folder/log" 2>&1 </dev/null &
    job=$!
    for ((i = 0; i < 600; i++)); do
        [ -e "$context/$file" ] || ! kill -0 $job 2>/dev/null && break
        sleep 0.1
    done
    kill -"$signal" "$(pid_of "$rank")" || fail "no rank $rank to stop"
    wait $job
    rc=$?
    [ $rc = 75 ] || fail "exit code $rc, not 75, after SIG$signal: $*"
    grep -q "stopped as asked" "$folder/log" || fail "no word of the stop"
    [ ! -e "$context/manifest.json" ] || fail "it ran to the end: the document is too short"
}


stop 3 1 TERM chunk-000004.safetensors context save "${base[@]}" -o "$context"
n_chunks=$(find "$context" -name 'chunk-*' | wc -l)
stop 2 0 USR1 "chunk-$(printf %06d $((n_chunks + 8))).safetensors" \
    context save "${base[@]}" -o "$context"
# Nothing is lost: it goes on after the last chunk that was computed.
n=$(grep -o '[0-9]* of 40000 tokens are in' "$folder/log" | cut -d' ' -f1)
[ "${n:-0}" = $((200 * n_chunks)) ] || fail "$n tokens are taken up of $n_chunks chunks"
check "to the end" on 4 "$yoco" context save "${base[@]}" -o "$context"
check "undisturbed" on 2 "$yoco" context save "${base[@]}" -o "$folder/whole"
check "same files" diff -r "$folder/whole" "$context"

rm -rf "$context"
stop 2 1 TERM chunk-000004.safetensors run "${base[@]}" -n 3 --checkpoint "$context"
check "the run goes on" on 3 "$yoco" run "${base[@]}" -n 3 --checkpoint "$context" \
    --dump "$folder/dump"
grep -q "tokens are in $context already" "$folder/log" || fail "the checkpoint was not taken up"
run 1 "$folder/fresh" "${base[@]}" -n 3
check "same bytes" cmp "$folder/fresh" "$folder/dump"
[ $n_failed = 0 ]
