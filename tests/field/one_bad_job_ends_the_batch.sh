#!/bin/bash
# one_bad_job_ends_the_batch.sh: what cannot be answered gets a record and costs the others nothing; the next run
# tries it again.
source "$(dirname "$0")/driver.sh"

# poison FILE BYTE_TOKEN: the embedding of a token becomes NaN.
poison() {
    python3 - "$1" "$(awk -v t="$2" '$1 == t {print $2 + 4}' "$demo/demo.tiktoken")" <<'P'
import json, struct, sys
path, row = sys.argv[1], int(sys.argv[2])
b = bytearray(open(path, "rb").read())
n, = struct.unpack("<Q", b[:8])
t = json.loads(b[8:8 + n])["embed_tokens.weight"]
w = 2 * t["shape"][1]
at = 8 + n + t["data_offsets"][0] + row * w
b[at:at + w] = b"\xc0\x7f" * (w // 2)
open(path, "wb").write(b)
P
}

# ends CODE PATTERN COMMAND...: as expect, however many lines say why.
ends() {
    local code=$1 pattern=$2 rc
    shift 2
    timeout --signal=KILL 120 "$@" --threads 1 >"$folder/out" 2>"$folder/err" </dev/null
    rc=$?
    [ $rc = "$code" ] || fail "exit code $rc, not $code: $*"
    grep -Eq "$pattern" "$folder/err" || fail "no line '$pattern': $*"
}

# with FILE PATTERN N: so many lines of the file match.
with() {
    same "lines of $1 with $2" "$(grep -c "$2" "$1")" "$3"
}

copy_model "$folder/nan"
poison "$folder/nan/model.safetensors" Bw==
for i in 1 2 3 4 5; do
    job "$i" '"prompt":"The bell '"$([ $i = 2 ] && printf '\\u0007' || echo rang)"'","max_tokens":3'
done >"$folder/bell"

# A value that is not finite, on 1 to 3 ranks.
for ranks in 1 2 3; do
    rm -f "$folder/answers"
    ends 65 'not finite' "$mpiexec" -n $ranks "$yoco" batch -m "$folder/nan" -i "$folder/bell" \
        -o "$folder/answers" --metrics "$folder/metrics"
    with "$folder/answers" '"status_code":200' 4
    with "$folder/answers" '"custom_id":"2".*"status_code":500.*not finite.*"server_error"' 1
    with "$folder/metrics" 'jobs{state="failed"} 1' 1
    with "$folder/metrics" 'jobs{state="done"} 4' 1
    with "$folder/metrics" 'jobs{state="pending"} 0' 1
done
ends 65 'tries it again' "$yoco" batch -m "$folder/nan" -i "$folder/bell" -o "$folder/answers"
with "$folder/answers" . 5

# A document of all ranks, with the value in it, beside one without.
mkdir "$folder/docs"
write_log "$folder/docs/good.txt"
{ write_log /dev/stdout; printf '\007\n'; } >"$folder/docs/bad.txt"
for i in bad good; do
    job "$i" '"document":{"path":"'$i'.txt"},"prompt":"Who?","max_tokens":2'
done >"$folder/jobs"
for checkpoint in '' "--checkpoint $folder/ck"; do
    rm -f "$folder/answers"
    # shellcheck disable=SC2086
    ends 65 'not finite' "$mpiexec" -n 2 "$yoco" batch -m "$folder/nan" -i "$folder/jobs" -o "$folder/answers" \
        --documents "$folder/docs" --chunk 64 $checkpoint
    with "$folder/answers" '"custom_id":"good".*"status_code":200' 1
    with "$folder/answers" '"custom_id":"bad".*"status_code":500' 1
done

# Such a context is not saved.
for ranks in 1 2; do
    ends 65 'not finite' "$mpiexec" -n $ranks "$yoco" context save -m "$folder/nan" -f "$folder/docs/bad.txt" \
        --chunk 64 -o "$folder/context-$ranks"
    expect 65 'unfinished' "$yoco" context verify "$folder/context-$ranks"
done
succeed "$yoco" context save -m "$folder/nan" -f "$folder/docs/good.txt" --chunk 64 -o "$folder/context"

# With a saved context, one question of several.
for i in 1 2 3; do job "$i" '"prompt":"Who '"$([ $i = 2 ] && printf '\\u0007' || echo rang)"'?","max_tokens":3'; done >"$folder/jobs"
rm -f "$folder/answers"
ends 65 'not finite' "$yoco" batch -m "$folder/nan" --context "$folder/context" -i "$folder/jobs" -o "$folder/answers"
with "$folder/answers" '"status_code":200' 2

# A checkpoint folder with something else in it; and one that is a file.
for i in a b; do job $i '"document":{"path":"good.txt"},"prompt":"Who '$i'?","max_tokens":2'; done >"$folder/ab"
batch=("$yoco" batch -m "$demo" -i "$folder/ab" --documents "$folder/docs")
succeed "${batch[@]}" -o "$folder/ra"
id=$(sed -n 's/.*batch_req_\([0-9a-f]*\).*"custom_id":"a".*/\1/p' "$folder/ra")
for obstacle in folder file; do
    rm -rf "$folder/ck" "$folder/rab"
    mkdir "$folder/ck"
    if [ $obstacle = file ]; then touch "$folder/ck/$id"; else mkdir "$folder/ck/$id" && touch "$folder/ck/$id/core"; fi
    "${batch[@]}" -o "$folder/rab" --checkpoint "$folder/ck" >/dev/null 2>"$folder/err"
    rc=$?
    [ $rc = 65 ] || [ $rc = 66 ] || fail "exit code $rc with a $obstacle in the way"
    with "$folder/rab" '"custom_id":"a".*"status_code":500' 1
    with "$folder/rab" '"custom_id":"b".*"status_code":200' 1
    rm -r "$folder/ck"
    succeed "${batch[@]}" -o "$folder/rab" --checkpoint "$folder/ck"
    cmp -s <(sort "$folder/ra") <(sort "$folder/rab") || fail "other answers after a $obstacle was in the way"
done

# A document that is far too large is not read.
truncate -s 4T "$folder/docs/huge.txt"
{ job huge '"document":{"path":"huge.txt"},"prompt":"Who?","max_tokens":2' && cat "$folder/ab"; } >"$folder/jobs"
rm -f "$folder/answers"
timeout 60 "$yoco" batch -m "$demo" -i "$folder/jobs" --documents "$folder/docs" -o "$folder/answers" \
    >"$folder/out" 2>"$folder/err"
same "exit code with a huge document" $? 65
with "$folder/answers" '"custom_id":"huge".*larger than 4 GiB' 1
with "$folder/answers" '"status_code":200' 2
expect 65 'more than 4294967296 bytes' "$yoco" run -m "$demo" -f "$folder/docs/huge.txt" -n 1
rm "$folder/docs/huge.txt"

# An evaluation: the haystack has the value in a part of it.
for i in $(seq 200); do
    echo "Card $i of the shelf."
    [ "$i" != 75 ] || printf '\007\n'
done >"$folder/hay"
eval=("$yoco" eval --task needle --trials 6 --depths 1 --length 512 --haystack "$folder/hay")
ends 65 'not finite' "${eval[@]}" -m "$folder/nan" -o "$folder/e"
n_failed_documents=$(grep -c '"error":".*not finite' "$folder/e/samples.jsonl")
n_answers=$(grep -c '"prediction"' "$folder/e/samples.jsonl")
same "documents" $((n_failed_documents + n_answers)) 6
[ "$n_failed_documents" -gt 0 ] && [ "$n_answers" -gt 0 ] || fail "$n_failed_documents failed, $n_answers answered"
[ -s "$folder/e/report.html" ] || fail "no report of what was answered"
ends 65 "tries $n_failed_documents documents again" "${eval[@]}" -m "$folder/nan" -o "$folder/e" --resume
same "lines after another try" "$(wc -l <"$folder/e/samples.jsonl")" 6
finish
