#!/bin/bash
# errors.sh: every kind of bad input ends with its exit code and one line, on one rank and on three.
source "$(dirname "$0")/driver.sh"

init_model window 16 50 100
init_model retention null 50 100
init_model text 16 4104 100
add_tokenizer "$folder/text"
echo 1 2 3 4 >"$folder/ids"
seq 0 49 >"$folder/fifty"
: >"$folder/empty"
echo hello >"$folder/document"
window=(-m "$folder/window" --prompt-ids "$folder/ids")
text=(-m "$folder/text")

usage() {
    expect 2 'no option' "$yoco" run "${window[@]}" --nonsense
    expect 2 'needs MODEL' "$yoco" run -m
    expect 2 '-m MODEL is missing' "$yoco" run -p x
    expect 2 'exactly one of' "$yoco" run -m "$folder/window"
    expect 2 'exactly one of' "$yoco" run "${window[@]}" -p x
    expect 2 'exactly one of' "$yoco" run "${text[@]}" -p x -f "$folder/document"
    expect 2 '--chunk' "$yoco" run "${window[@]}" --chunk 0
    expect 2 'multiple of 256' "$yoco" run -m "$folder/retention" --prompt-ids "$folder/ids" \
        --chunk 100
    expect 2 '--dtype .*f64' "$yoco" run "${window[@]}" --dtype f64
    expect 2 '--backend .*gpu' "$yoco" run "${window[@]}" --backend gpu
    expect 2 '--transport .*bogus' "$yoco" run "${window[@]}" --transport bogus
    expect 2 '--transport nccl' "$yoco" run "${window[@]}" --transport nccl
    expect 2 '--isa .*bogus' "$yoco" run "${window[@]}" --isa bogus
    expect 2 '--threads' "$yoco" run "${window[@]}" --threads 0
    expect 2 '--threads' "$yoco" run "${window[@]}" --threads 5G
    expect 2 '--max-tokens' "$yoco" run "${window[@]}" -n 0
    expect 2 '--top-p' "$yoco" run "${window[@]}" --top-p 0
    expect 2 '--top-p' "$yoco" run "${window[@]}" --top-p 1.01
    expect 2 '--temperature' "$yoco" run "${window[@]}" --temperature -1
    expect 2 '--stop' "$yoco" run "${text[@]}" -p x --stop ''
    expect 2 '--deadline' "$yoco" run "${window[@]}" --deadline 0
    expect 2 '3 ranks expected' "$yoco" run "${window[@]}" --expect-ranks 3
    expect 2 'ranks expected' "$yoco" run "${window[@]}" --expect-ranks 4294967297
    expect 2 'no command' "$yoco" nonsense
    expect 2 'yoco bench --per-rank' "$yoco" measure --tokens 5
    expect 2 'takes one --tokens' "$yoco" bench -m "$folder/window" --per-rank --contexts 5
    expect 65 'max_seq_len 100 has no room' "$yoco" bench -m "$folder/window" --per-rank --tokens 90
    expect 2 '--tokens N is missing' "$yoco" plan -m "$folder/window"
    expect 2 'give -m MODEL' "$yoco" plan --tokens 5
    expect 2 'ask one' "$yoco" plan -m "$folder/window" --tokens 5 --time --compare
    expect 2 'belong to --time' "$yoco" plan -m "$folder/window" --tokens 5 --target 1
    expect 2 'needs --hardware' "$yoco" plan -m "$folder/window" --tokens 5 --branch-tokens 1 --time
    expect 2 'starts at 32K' "$yoco" plan -m "$folder/window" --tokens 5 --branch-tokens 1 --compare
    expect 2 'give --shape' "$yoco" init -o "$folder/x"
    expect 2 'give --shape' "$yoco" init --shape "$folder/window.json"
    expect 2 '--dtype is f32 or bf16' "$yoco" init --shape "$folder/window.json" -o "$folder/x" \
        --dtype f64
    expect 2 '-m MODEL is missing' "$yoco" info
}

prompts() {
    expect 66 'cannot open .*none' "$yoco" run -m "$folder/window" --prompt-ids "$folder/none"
    expect 66 'cannot open .*none' "$yoco" run "${text[@]}" -f "$folder/none"
    expect 66 "$folder" "$yoco" run "${text[@]}" -f "$folder"
    expect 66 'cannot open .*none' "$yoco" run "${window[@]}" --question-ids "$folder/none"
    expect 65 'is empty: a prompt' "$yoco" run -m "$folder/window" --prompt-ids "$folder/empty"
    expect 65 'is empty: a prompt' "$yoco" run "${text[@]}" -f "$folder/empty"
    expect 65 'is empty: a prompt' "$yoco" run "${text[@]}" -p ''
    expect 65 'is empty: a question' "$yoco" run "${text[@]}" -p x -q ''
    expect 65 'is empty: a question' "$yoco" run "${window[@]}" --question-ids "$folder/empty"
    expect 65 'no tokenizer' "$yoco" run -m "$folder/window" -p hello
    expect 65 'no tokenizer' "$yoco" run "${window[@]}" -q hello
    local bad
    for bad in 50 -1 1.5 x 0x1 99999999999999999999 '1,2' 4294967296 $'\x01'; do
        echo "1 2 $bad" >"$folder/bad"
        expect 65 'at byte 4 is no token id' "$yoco" run -m "$folder/window" \
            --prompt-ids "$folder/bad"
        expect 65 'is no token id' "$yoco" run "${window[@]}" --question-ids "$folder/bad"
    done
    cat "$folder/fifty" "$folder/fifty" >"$folder/hundred"
    cat "$folder/hundred" "$folder/ids" >"$folder/longer"
    expect 65 'has 104 tokens .*max_seq_len is 100' "$yoco" run -m "$folder/window" \
        --prompt-ids "$folder/longer" -n 1
    expect 65 'has 100 tokens .* 1 more' "$yoco" run -m "$folder/window" \
        --prompt-ids "$folder/hundred" -n 1
    expect 65 'has 50 tokens .* 51 more' "$yoco" run -m "$folder/window" \
        --prompt-ids "$folder/fifty" -n 51
    succeed "$yoco" run -m "$folder/window" --prompt-ids "$folder/fifty" -n 50
    expect 65 'has 54 tokens .* 47 more' "$yoco" run -m "$folder/window" \
        --prompt-ids "$folder/fifty" --question-ids "$folder/ids" -n 47
    expect 65 'max_seq_len' "$yoco" run "${window[@]}" -n 9223372036854775807
    expect 65 'max_seq_len' "$yoco" plan -m "$folder/window" --tokens 1M
}

# broken NAME: a copy of the window model, to be damaged.
broken() {
    rm -rf "$folder/broken"
    cp -r "$folder/window" "$folder/broken"
}

models() {
    local broken_run=("$yoco" run -m "$folder/broken" --prompt-ids "$folder/ids")
    expect 66 'cannot open .*none/params.json' "$yoco" run -m "$folder/none" -p x
    expect 66 'cannot open .*none/params.json' "$yoco" info -m "$folder/none"
    expect 66 'cannot open .*none' "$yoco" init --shape "$folder/none" -o "$folder/x"
    expect 66 'cannot open .*none' "$yoco" plan -m "$folder/none" --tokens 5
    broken
    rm "$folder/broken/params.json"
    expect 66 'params.json' "${broken_run[@]}"
    broken
    rm "$folder/broken/model.safetensors"
    expect 66 'model.safetensors' "${broken_run[@]}"
    broken
    echo '{"dim": 32}' >"$folder/broken/params.json"
    expect 65 'params.json: field .* is missing' "${broken_run[@]}"
    broken
    sed -i 's/"dim": 32/"dim": 33/' "$folder/broken/params.json"
    expect 65 'params.json: dim 33' "${broken_run[@]}"
    broken
    sed -i 's/"hidden_dim": 48/"hidden_dim": 47/' "$folder/broken/params.json"
    expect 65 'model.safetensors.*shape' "${broken_run[@]}"
    expect 65 'model.safetensors.*shape' "$yoco" info -m "$folder/broken"
    broken
    sed -i 's/"n_layers": 4/"n_layers": 6/' "$folder/broken/params.json"
    expect 65 'model.safetensors|layers' "${broken_run[@]}"
    broken
    local n_bytes size
    n_bytes=$(wc -c <"$folder/window/model.safetensors")
    for size in 0 7 8 100 $((n_bytes / 2)) $((n_bytes - 1)); do
        head -c "$size" "$folder/window/model.safetensors" >"$folder/broken/model.safetensors"
        expect 65 'model.safetensors' "${broken_run[@]}"
    done
    cp "$folder/window/model.safetensors" "$folder/broken"
    echo x >>"$folder/broken/model.safetensors"
    expect 65 'model.safetensors' "${broken_run[@]}"
    broken
    echo '{' >"$folder/broken/yoco_tokenizer.json"
    expect 65 'yoco_tokenizer.json' "$yoco" run -m "$folder/broken" -p x
    succeed "${broken_run[@]}"
    add_tokenizer "$folder/broken"
    expect 65 'yoco_tokenizer.json|demo.tiktoken' "$yoco" run -m "$folder/broken" -p x
    succeed "${broken_run[@]}"
    grep -qE 'warning: no text, ids only.*(yoco_tokenizer.json|demo.tiktoken)' "$folder/err" || fail "no warning"
    rm "$folder/broken/demo.tiktoken"
    expect 66 'cannot open .*demo.tiktoken' "$yoco" run -m "$folder/broken" -p x
    succeed "${broken_run[@]}"
}

# header SIZE JSON N_DATA: a safetensors file that says its header has SIZE bytes, "-": what it has.
header() {
    local size=$1 i
    [ "$size" != - ] || size=${#2}
    for ((i = 0; i < 8; i++)); do
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x $((size >> (8 * i) & 255)))"
    done
    printf %s "$2"
    head -c "$3" /dev/zero
}

headers() {
    local a='"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}' file
    broken
    file=$folder/broken/model.safetensors
    # hostile SIZE JSON N_DATA
    hostile() {
        header "$@" >"$file"
        expect 65 'model.safetensors' "$yoco" run -m "$folder/broken" --prompt-ids "$folder/ids"
    }
    hostile 1000 "{$a}" 8
    hostile -1 "{$a}" 8
    hostile $((1 << 62)) "{$a}" 8
    hostile 0 '' 0
    hostile - '[]' 0
    hostile - "{$a" 8
    hostile - "{$a,$a}" 8
    hostile - "{$a,\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}" 12
    hostile - "{$a,\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}" 20
    hostile - "{$a}" 7
    hostile - "{$a}" 9
    hostile - '{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}' 0
    hostile - '{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}' 8
    hostile - '{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}' 8
    hostile - '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}}' 8
    hostile - '{"a":{"dtype":"Q32","shape":[2],"data_offsets":[0,8]}}' 8
    hostile - '{"a":{"shape":[2],"data_offsets":[0,8]}}' 8
    hostile - "$(printf '{"a":%.0s' {1..5000})" 0
    header $((150 << 20)) '{' 0 >"$file"
    truncate -s 160M "$file"
    expect 65 'model.safetensors' "$yoco" run -m "$folder/broken" --prompt-ids "$folder/ids"
}

outputs() {
    expect 66 'cannot write .*none' "$yoco" run "${window[@]}" --dump "$folder/none/dump"
    expect 66 'cannot write .*not a regular file' "$yoco" run "${window[@]}" --dump "$folder"
    timeout --signal=KILL 120 "$yoco" run "${window[@]}" --dump /dev/full >/dev/null 2>&1
    same "exit code of a dump to a full device" $? 74
    expect 66 'none' "$yoco" init --shape "$folder/window.json" -o "$folder/none/model"
    # A file that may not grow beyond 8 KiB; the dump is larger. The transport's own files, too, but
    # one rank needs none.
    # shellcheck disable=SC2016
    expect 74 'writing .*dump.* failed' env UCX_TLS=self bash -c \
        'trap "" XFSZ; ulimit -f 8; exec "$@" >"$0"' "$folder/ids.out" \
        "$yoco" run "${window[@]}" -n 60 --dump "$folder/dump"
    compgen -G "$folder/dump*" >"$folder/out" && fail "a failed dump leaves files behind"
    expect 74 'stdout' bash -c '"$@" >/dev/full' - "$yoco" run "${window[@]}" -n 2
    expect 74 'stdout' bash -c '"$@" >/dev/full' - "$yoco" run "${window[@]}" -n 2 --json
    expect 74 'stdout' bash -c '"$@" >/dev/full' - "$yoco" info -m "$folder/window"
}

# One line, not one for each rank.
three_ranks() {
    local three=("$mpiexec" -n 3 "$yoco" run)
    expect 2 'no option' "${three[@]}" "${window[@]}" --nonsense
    expect 2 'exactly one of' "${three[@]}" -m "$folder/window"
    expect 2 '--isa .*bogus' "${three[@]}" "${window[@]}" --isa bogus
    expect 2 '--dtype .*f64' "${three[@]}" "${window[@]}" --dtype f64
    expect 2 'multiple of 256' "${three[@]}" -m "$folder/retention" --prompt-ids "$folder/ids" \
        --chunk 100
    expect 2 '--transport .*bogus' "${three[@]}" "${window[@]}" --transport bogus
    expect 2 '4 ranks expected, but MPI sees 3' "${three[@]}" "${window[@]}" --expect-ranks 4
    expect 66 'cannot open .*none/params.json' "${three[@]}" -m "$folder/none" -p x
    expect 66 'cannot open .*none' "${three[@]}" "${text[@]}" -f "$folder/none"
    expect 66 'cannot write .*none' "${three[@]}" "${window[@]}" --dump "$folder/none/dump"
    expect 65 'no tokenizer' "${three[@]}" -m "$folder/window" -p hello
    expect 65 'is no token id' "${three[@]}" -m "$folder/window" --prompt-ids "$folder/bad"
    expect 65 'max_seq_len' "${three[@]}" "${window[@]}" -n 97
    expect 65 'model.safetensors' "${three[@]}" -m "$folder/broken" --prompt-ids "$folder/ids"
    succeed "${three[@]}" "${window[@]}" -n 2 --expect-ranks 3
}

for part in usage prompts models headers outputs three_ranks; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
