#!/bin/bash
# chat.sh: tokenizer.json in every command that opens a tokenizer, and the chat template of the model's family.
source "$(dirname "$0")/driver.sh"

fixtures=$source/tests/tokenizer/hf
init_model model 16 1400 2000
cp "$fixtures"/qwen/tokenizer{,_config}.json "$folder/model"
echo '{"model_type": "qwen2"}' >"$folder/model/config.json"
run=("$yoco" run -m "$folder/model" --chunk 16 --threads 1 --json)
batch=("$yoco" batch -m "$folder/model" --chunk 16 --threads 1 --overwrite -i "$folder/jobs" -o "$folder/results")
hello='Hello, Alice!'

# What hf/qwen/expected.json has for the chat of $hello.
chat_ids=(1001 84 82 259 198 39 601 78 11 823 0 1002 198 1001 64 82 82 284 83 383 198)
echo "${chat_ids[@]}" >"$folder/chat_ids"

json() {
    "$json_tool" "$folder/json" "$@" || fail "no value $* in the JSON report"
}

# report OPTION...: the run's JSON report in "$folder/json", its first answer's ids in $answer.
report() {
    succeed "$@"
    cp "$folder/out" "$folder/json"
    answer=$(json answers 0 ids)
}

run_chat() {
    local expected
    report "${run[@]}" --prompt-ids "$folder/chat_ids" -n 12
    expected=$answer
    report "${run[@]}" -p "$hello" --chat -n 12
    same "prompt of a chat" "$(json answers 0 prompt_tokens)" ${#chat_ids[@]}
    same "answer of a chat" "$answer" "$expected"
    report "${run[@]}" -p "$hello" -n 12
    [ "$(json answers 0 prompt_tokens)" -lt ${#chat_ids[@]} ] || fail "a template without --chat"
    succeed "$mpiexec" -n 2 "${run[@]}" -p "$hello" --chat -n 12
    cp "$folder/out" "$folder/json"
    same "answer of a chat on 2 ranks" "$(json answers 0 ids)" "$expected"
}

# The document opens the turn, the question closes it: with and without a saved context.
documents() {
    local expected n_open
    report "${run[@]}" -p "Alice is here." -q "Who?" --chat -n 8
    expected=$answer
    n_open=$(json context_tokens)
    # behind the question: <|im_end|>, a line break, <|im_start|>, and 7 for assistant and its line break
    same "tokens of the question's end" "$(json answers 0 prompt_tokens)" "$((n_open + $(question_tokens) + 10))"
    succeed "$yoco" context save -m "$folder/model" --chunk 16 --threads 1 -p "Alice is here." --chat -o "$folder/context"
    report "${run[@]}" --context "$folder/context" -q "Who?" --chat -n 8
    same "answer on a saved context" "$answer" "$expected"
}

question_tokens() {
    local with
    succeed "${run[@]}" -p x -q "Who?" -n 1
    with=$("$json_tool" "$folder/out" answers 0 prompt_tokens)
    echo $((with - $("$json_tool" "$folder/out" context_tokens)))
}

# A message's line; $1: its content.
job() {
    printf '{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [{"role": "user", "content": "%s"}], "max_tokens": 12, "temperature": 0}}\n' "$1" >"$folder/jobs"
}

batch_line() {
    succeed "${batch[@]}" "$@"
    cp "$folder/results" "$folder/json"
}

batches() {
    local id text
    report "${run[@]}" -p "$hello" --chat -n 12
    text=$(json answers 0 text)
    job "$hello"
    batch_line
    same "prompt of a chat's line" "$(json response body usage prompt_tokens)" ${#chat_ids[@]}
    same "answer of a chat's line" "$(json response body choices 0 message content)" "$text"
    id=$(json id)
    batch_line --raw
    report "${run[@]}" -p "user: $hello"$'\nassistant:' -n 12
    text=$(json answers 0 text)
    cp "$folder/results" "$folder/json"
    same "answer of a raw line" "$(json response body choices 0 message content)" "$text"
    [ "$(json id)" != "$id" ] || fail "a raw line has the id of the one with a template"
    job '<|im_end|><|im_start|>'
    batch_line
    [ "$(json response body usage prompt_tokens)" -gt 20 ] || fail "a content became special tokens"
}

# One line says why there is no template, and what to do.
families() {
    job "$hello"
    echo '{"model_type": "bert"}' >"$folder/model/config.json"
    expect 65 'config.json: no chat template .*"bert".*--raw' "${batch[@]}"
    expect 65 'config.json: no chat template .*"bert"' "${run[@]}" -p x --chat
    batch_line --raw
    echo '{"model_type": "gemma4"}' >"$folder/model/config.json"
    expect 65 '<\|turn>' "${run[@]}" -p x --chat
    rm "$folder/model/config.json"
    expect 65 'no config.json' "${run[@]}" -p x --chat
    batch_line
    expect 2 '--chat' "${run[@]}" -p x --chat --special-tokens
    expect 2 '--chat' "${run[@]}" --prompt-ids "$folder/chat_ids" --chat
    echo '{"model_type": "qwen2"}' >"$folder/model/config.json"
}

# The other commands that open a tokenizer, and what is wrong with one in one line.
commands() {
    succeed "$yoco" info -m "$folder/model"
    succeed "$yoco" doctor -m "$folder/model" --tokens 1K
    cp "$source/README.md" "$folder/haystack.txt"
    succeed "$yoco" eval --task needle -m "$folder/model" --haystack "$folder/haystack.txt" --length 600 --trials 1 --depths 1 \
        -o "$folder/eval" --threads 1
    sed -i 's/"NFC"/"NFKC"/' "$folder/model/tokenizer.json"
    expect 65 'tokenizer.json: normalizer: type "NFKC" is not supported' "${run[@]}" -p x
    expect 65 'tokenizer.json: normalizer: type "NFKC" is not supported' "${batch[@]}"
}

for part in run_chat documents batches families commands; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
