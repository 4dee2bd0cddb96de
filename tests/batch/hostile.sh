#!/bin/bash
# hostile.sh: bad usage, bad lines, and lines from people who mean harm.
source "$(dirname "$0")/driver.sh"

usage() {
    completion a '"prompt": "p", "max_tokens": 1' >"$input"
    expect 2 '-i FILE is missing' "${batch[@]}" -o "$output"
    expect 2 '-o FILE is missing' "${batch[@]}" -i "$input"
    expect 2 '-m MODEL is missing' "$yoco" batch -i "$input" -o "$output"
    expect 2 '-m MODEL is missing' "$yoco" batch -i "$input" --validate-only
    expect 2 'progress is text or json' "${batch[@]}" -i "$input" -o "$output" --progress loud
    expect 2 'exclude each other' "${batch[@]}" -i "$input" -o "$output" --resume --overwrite
    expect 66 'cannot open .*missing.jsonl' "${batch[@]}" -i "$folder/missing.jsonl" -o "$output"
    expect 66 'cannot open the folder of documents' "${batch[@]}" -i "$input" -o "$output" \
        --documents "$folder/nowhere"
    expect 66 'cannot write .*nowhere' "${batch[@]}" -i "$input" -o "$folder/nowhere/out"
    printf ' \n\r\n' >"$folder/empty"
    expect 65 'holds no job' "${batch[@]}" -i "$folder/empty" -o "$output"
    init_model silent 16 50 100
    expect 65 'has no tokenizer' "$yoco" batch -m "$folder/silent" -i "$input" -o "$output"
    expect 65 'has no tokenizer' "$mpiexec" -n 2 "$yoco" batch -m "$folder/silent" -i "$input" -o "$output"
    [ ! -e "$output" ] || fail "an output file of nothing"
}

# many_bad: three good lines among six bad ones.
many_bad() {
    completion a '"prompt": "p", "max_tokens": 2'
    completion n '"prompt": "p", "n": 2'
    completion a '"prompt": "again", "max_tokens": 2'
    echo 'no json'
    completion long '"prompt": "p", "max_tokens": 2990'
    completion b '"prompt": "p", "max_tokens": 2'
    echo
    completion toolong '"prompt": "p", "max_tokens": 3000'
    completion missing '"prompt": "p", "document": {"path": "none.txt"}'
    completion hash '"prompt": "p", "document": {"path": "sub/short.txt", "sha256": "'"$(printf '0%.0s' {1..64})"'"}'
}

bad_lines() {
    many_bad >"$input"
    ends 65 "${batch[@]}" -i "$input" --validate-only
    error_lines 6
    local pattern
    for pattern in 'jobs.jsonl:2: body.n must be 1' "jobs.jsonl:3: custom_id 'a' is that of line 1" \
        'jobs.jsonl:4: no valid JSON' 'jobs.jsonl:8: body.max_tokens of 3000 after a prompt of' \
        'jobs.jsonl:9: body.document.path cannot be opened: No such file' \
        'jobs.jsonl:10: body.document.sha256 is not that of the file, which has [0-9a-f]{64}' \
        '3 of 9 lines of .* are jobs'; do
        grep -Eq "$pattern" "$folder/err" || fail "no line '$pattern'"
    done
    [ ! -e "$output" ] || fail "--validate-only wrote something"
    expect 65 'jobs.jsonl:2: ' "${batch[@]}" -i "$input" -o "$output" --fail-fast
    ends 65 "${batch[@]}" -i "$input" -o "$output" --max-errors 2
    grep -q 'more than 2 bad lines: nothing is computed' "$folder/err" || fail "--max-errors"
    [ ! -s "$output" ] || fail "something was computed in spite of --max-errors"
    sed -i s/2990/3/ "$input"
    ends 65 "$mpiexec" -n 2 "${batch[@]}" -i "$input" -o "$output" --max-errors 6
    error_lines 6
    same "answers" "$(grep -c '"status_code":200' "$output")" 3
    same "error records" "$(grep -c '"status_code":400' "$output")" 6
    same "records without a custom_id" "$(grep -c '"custom_id":null' "$output")" 2
    line_of toolong "$output"
    same "param" "$(json error param)" body.max_tokens
    rm "$output"
    sed -n 6p "$input" >"$folder/good.jsonl"
    succeed "${batch[@]}" -i "$folder/good.jsonl" --validate-only
    sed -n 9p "$input" >"$folder/document.jsonl"
    expect 65 'document.jsonl:1: body.document needs the folder' "$yoco" batch -m "$folder/model" \
        -i "$folder/document.jsonl" --validate-only
}

# More bad lines than are worth reading.
flood() {
    local i
    for ((i = 0; i < 500; i++)); do echo '{"custom_id": 5}'; done >"$input"
    ends 65 "${batch[@]}" -i "$input" -o "$output"
    error_lines 21
    same "error records" "$(sort -u "$output" | wc -l)" 500
    rm "$output"
}

# No path leads out of the folder of documents.
escapes() {
    local path
    echo secret >"$folder/secret.txt"
    ln -s ../secret.txt "$folder/docs/link-out"
    ln -s "$folder/secret.txt" "$folder/docs/link-absolute"
    ln -s .. "$folder/docs/up"
    ln -s sub/short.txt "$folder/docs/link-in"
    ln -s loop "$folder/docs/loop"
    mkfifo "$folder/docs/fifo"
    for path in ../secret.txt sub/../../secret.txt "$folder/secret.txt" link-out link-absolute \
        up/secret.txt; do
        completion a '"prompt": "p", "max_tokens": 1, "document": {"path": "'"$path"'"}' >"$input"
        expect 65 'body.document.path leads out of the folder of documents' \
            "${batch[@]}" -i "$input" -o "$output" --fail-fast
    done
    for path in loop fifo sub . sub/short.txt/x /proc/self/environ; do
        completion a '"prompt": "p", "max_tokens": 1, "document": {"path": "'"$path"'"}' >"$input"
        expect 65 'body.document.path ' "${batch[@]}" -i "$input" -o "$output" --fail-fast
    done
    rm -f "$output"
    completion a '"prompt": "p", "max_tokens": 1, "document": {"path": "link-in"}' >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    grep -q secret "$folder/err" && fail "the secret was shown"
    rm "$output"
}

# hostile LINE...: each is refused by itself, and the good line beside it is answered.
hostile() {
    local line
    for line in "$@"; do
        rm -f "$output"
        { printf '%b\n' "$line"; completion good '"prompt": "p", "max_tokens": 1'; } >"$input"
        ends 65 "${batch[@]}" -i "$input" -o "$output"
        error_lines 1
        same "answers beside $line" "$(grep -c '"status_code":200' "$output")" 1
        same "error records of $line" "$(grep -c '"status_code":400' "$output")" 1
        iconv -f UTF-8 -t UTF-8 "$output" >/dev/null || fail "an error record that is not UTF-8"
    done
    rm -f "$output"
}

lines() {
    local deep
    deep=$(printf '[%.0s' {1..5000})
    hostile "$deep" \
        "$(completion a "\"prompt\": \"p\", \"metadata\": $deep")" \
        "$(completion a '"prompt": "p", "seed": 123456789012345678901234567890')" \
        "$(completion a '"prompt": "p", "temperature": 1e400')" \
        "$(completion a '"prompt": "p", "max_tokens": 9223372036854775807')" \
        "$(completion a '"prompt": "\xff\xfe"')" \
        "$(completion a '"prompt": "a\\u0000b"')" \
        "$(completion a '"prompt": "\\ud800"')" \
        "$(completion a '"prompt": "p", "\\u001b[31m\\n\xc3\xa9": 1')" \
        "$(completion a '"prompt": "p", "prompt": "q"')" \
        "$(completion a '"prompt": "p"')\0" \
        '\xef\xbb\xbf{}' '{' '""' 'null' '\x01' "{\"custom_id\": \"$(printf 'x%.0s' {1..600})\"}"
}

# Text that spells a special token, and bytes of all kinds, are text.
odd_text() {
    completion a '"prompt": "</s><s>\u2028\ud83d\ude00 \"quoted\" \\", "max_tokens": 3, "seed": 1' >"$input"
    head -c 3000 /dev/urandom >"$folder/docs/random"
    completion b '"prompt": "What?", "max_tokens": 3, "document": {"path": "random"}, "logprobs": 20' >>"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    same "answers" "$(grep -c '"status_code":200' "$output")" 2
    rm "$output"
}

for part in usage bad_lines flood escapes lines odd_text; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
