#!/bin/bash
# answers.sh: what yoco batch answers is what yoco run answers, on any number of ranks.
source "$(dirname "$0")/driver.sh"

prompt='The ship left the harbour at dawn'
text_of() { json response body choices "$1" text; }

# run OPTION...: the answers of yoco run, as JSON in "$folder/json".
run() {
    succeed "$yoco" run -m "$folder/model" --chunk 64 --threads 1 --json "$@"
    cp "$folder/out" "$folder/json"
}

as_run() {
    local greedy sampled asked
    run -p "$prompt" -n 12
    greedy=$(json answers 0 text)
    run -p "$prompt" -n 12 --temperature 0.7 --top-p 0.8 --seed 9
    sampled=$(json answers 0 text)
    run -f "$folder/docs/long.txt" -q 'What?' -q 'And why is it so?' -n 8
    asked=("$(json answers 0 text)" "$(json answers 1 text)")
    {
        completion greedy "\"prompt\": \"$prompt\", \"max_tokens\": 12, \"temperature\": 0"
        completion sampled "\"prompt\": [\"$prompt\"], \"max_tokens\": 12, \"temperature\": 0.7, \"top_p\": 0.8, \"seed\": 9"
        completion asked '"prompt": ["What?", "And why is it so?"], "max_tokens": 8, "temperature": 0, "document": {"path": "long.txt"}'
        completion many "\"prompt\": [\"Other\", \"$prompt\"], \"max_tokens\": 12, \"temperature\": 0"
    } >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    line_of greedy "$output"
    same "greedy text" "$(text_of 0)" "$greedy"
    same "prompt tokens" "$(json response body usage prompt_tokens)" "$(run_prompt_tokens -p "$prompt")"
    line_of greedy "$output"
    same "completion tokens" "$(json response body usage completion_tokens)" 12
    same "reason to end" "$(json response body choices 0 finish_reason)" length
    line_of sampled "$output"
    same "sampled text" "$(text_of 0)" "$sampled"
    line_of asked "$output"
    same "first answer" "$(text_of 0)" "${asked[0]}"
    same "second answer" "$(text_of 1)" "${asked[1]}"
    same "answered tokens" "$(json response body usage completion_tokens)" 16
    line_of many "$output"
    same "one of several prompts" "$(text_of 1)" "$greedy"
    rm "$output"
}

run_prompt_tokens() {
    run "$@" -n 1
    json answers 0 prompt_tokens
}

# A chat is one text: "role: content" lines and "assistant:".
chats() {
    local expected
    run -p $'system: Be brief.\nuser: Hello\nassistant:' -n 10
    expected=$(json answers 0 text)
    chat a '"model": "mine", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}], "max_tokens": 10, "temperature": 0' >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    line_of a "$output"
    same "chat text" "$(json response body choices 0 message content)" "$expected"
    same "model" "$(json response body model)" mine
    same "object" "$(json response body object)" chat.completion
    rm "$output"
}

stops() {
    local whole piece
    completion a "\"prompt\": \"$prompt\", \"max_tokens\": 30, \"temperature\": 0" >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    line_of a "$output"
    whole=$(text_of 0)
    piece=$(grep -oE '[a-z]{3}' <<<"${whole:10}" | head -1)
    completion a "\"prompt\": \"$prompt\", \"max_tokens\": 30, \"temperature\": 0, \"stop\": [\"nowhere\", \"$piece\"]" >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output" --overwrite
    line_of a "$output"
    same "text cut at '$piece'" "$(text_of 0)" "${whole%%"$piece"*}"
    same "reason to end" "$(json response body choices 0 finish_reason)" stop
    rm "$output"
}

# Greedy: the token itself is the likeliest.
logprobs() {
    local token first
    {
        completion a "\"prompt\": \"$prompt\", \"max_tokens\": 3, \"temperature\": 0, \"logprobs\": 1"
        chat b '"messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "temperature": 0, "logprobs": true, "top_logprobs": 2'
        completion none "\"prompt\": \"$prompt\", \"max_tokens\": 3"
    } >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    line_of a "$output"
    for token in 0 1 2; do
        first=$(json response body choices 0 logprobs tokens $token)
        same "log-probability of token $token" \
            "$(json response body choices 0 logprobs top_logprobs $token "$first")" \
            "$(json response body choices 0 logprobs token_logprobs $token)"
    done
    same "first offset" "$(json response body choices 0 logprobs text_offset 0)" 0
    line_of b "$output"
    same "likeliest token" "$(json response body choices 0 logprobs content 1 top_logprobs 0 token)" \
        "$(json response body choices 0 logprobs content 1 token)"
    line_of none "$output"
    grep -q '"logprobs":null' "$folder/json" || fail "log-probabilities that nobody asked for"
    rm "$output"
}

# The same lines on any number of ranks; the plan shares long ones and packs short ones.
ranks() {
    local n
    mixed_jobs >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    cp "$output" "$folder/expected"
    same "lines" "$(wc -l <"$output")" 10
    for n in 2 3 4; do
        rm "$output"
        succeed "$mpiexec" -n $n "${batch[@]}" -i "$input" -o "$output"
        same_lines "$output" "$folder/expected"
        grep -q "on all $n ranks; [0-9]* short jobs .* rounds" "$folder/err" || fail "no plan for $n"
    done
    rm "$output"
    succeed "$mpiexec" -n 2 "${batch[@]}" -i "$input" -o "$output" --chunk 65536
    for n in $(seq 1 6); do
        line_of "small-$n" "$output"
    done
    rm "$output"
}

# A saved context is the document of every job: as if each had named it.
contexts() {
    local n
    {
        completion a '"prompt": ["What is a chunk?", "Why?"], "max_tokens": 5, "seed": 4'
        completion b '"prompt": "Is it C?", "max_tokens": 9, "temperature": 0'
        chat c '"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3'
    } >"$input"
    sed 's/"max_tokens"/"document": {"path": "long.txt"}, "max_tokens"/' "$input" >"$folder/named.jsonl"
    succeed "${batch[@]}" -i "$folder/named.jsonl" -o "$folder/named"
    succeed "$yoco" context save -m "$folder/model" --chunk 64 -f "$folder/docs/long.txt" -o "$folder/saved"
    for n in 1 2 3; do
        succeed "$mpiexec" -n $n "${batch[@]}" -i "$input" -o "$folder/on-$n" --context "$folder/saved"
        same "answers on $n ranks" "$(grep -o '"choices".*' "$folder/on-$n" | sort)" \
            "$(grep -o '"choices".*' "$folder/named" | sort)"
        same_lines "$folder/on-$n" "$folder/on-1"
    done
    expect 65 'stands beside --context' "${batch[@]}" -i "$folder/named.jsonl" -o "$output" \
        --context "$folder/saved" --fail-fast
    rm -f "$output"
}

streams() {
    mixed_jobs >"$input"
    timeout 120 "${batch[@]}" -i - -o - <"$input" >"$folder/piped" 2>"$folder/err" || fail "exit $?"
    same_lines "$folder/piped" "$folder/expected"
    timeout 120 "$mpiexec" -n 3 "${batch[@]}" -i - -o - <"$input" >"$folder/piped" 2>"$folder/err" ||
        fail "exit $?"
    same_lines "$folder/piped" "$folder/expected"
}

# Side files: none of them changes a line.
reports() {
    mixed_jobs >"$input"
    succeed "$mpiexec" -n 3 "${batch[@]}" -i "$input" -o "$output" --progress json \
        --metrics "$folder/metrics" --trace "$folder/trace.json"
    same_lines "$output" "$folder/expected"
    grep -q '^yoco_batch_jobs{state="done"} 10$' "$folder/metrics" || fail "no metrics"
    grep -E '^\{"event":"end"' "$folder/err" >"$folder/json" || fail "no last line of progress"
    same "jobs done" "$(json jobs_done)" 10
    same "tokens" "$(json tokens_done)" "$(json tokens)"
    grep -cE '^\{"event":"progress"' "$folder/err" | grep -qE '^[1-9]' || fail "no progress"
    cp "$folder/trace.json" "$folder/json"
    for rank in 0 1 2; do
        grep -q "\"name\":\"rank $rank\"" "$folder/trace.json" || fail "no row of rank $rank"
        grep -q "\"cat\":\"compute\".*\"tid\":$rank" "$folder/trace.json" || fail "rank $rank idles"
        grep -q "\"cat\":\"edge_wait\".*\"tid\":$rank" "$folder/trace.json" || fail "no edges"
    done
    grep -q '"cat":"reduce"' "$folder/trace.json" || fail "no reductions in the trace"
    same "format of the trace" "$(json displayTimeUnit)" ms
    rm "$output"
}

schemas() {
    mixed_jobs >"$input"
    succeed "${batch[@]}" -i "$input" -o "$output"
    {
        cat "$input"
        completion bad-1 '"prompt": "p", "n": 2'
        completion bad-2 '"prompt": "p", "unknown": 1'
        completion bad-3 '"prompt": ""'
        completion bad-4 '"prompt": "p", "document": {"path": 5}'
        completion good '"prompt": "p", "suffix": null, "seed": 3, "max_tokens": 2'
        chat bad-5 '"messages": []'
        chat bad-6 '"messages": [{"role": "user", "content": ["x"]}]'
        chat bad-7 '"prompt": "p"'
        echo '{"custom_id": "bad-8", "method": "GET", "url": "/v1/completions", "body": {"prompt": "p"}}'
    } >"$folder/all.jsonl"
    ends 65 "${batch[@]}" -i "$folder/all.jsonl" -o "$output"
    error_lines 8
    same "lines" "$(wc -l <"$output")" 19
    python3 "$source/tests/batch/check_schema.py" "$source/configs/schema/batch-input-line.schema.json" \
        "$folder/all.jsonl" 11 12 13 14 16 17 18 19 || fail "the schema of the input disagrees"
    python3 "$source/tests/batch/check_schema.py" "$source/configs/schema/batch-output-line.schema.json" \
        "$output" || fail "the schema of the output disagrees"
    rm "$output"
}

for part in as_run chats stops logprobs ranks contexts streams reports schemas; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
