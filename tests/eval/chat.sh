#!/bin/bash
# chat.sh: `yoco eval --chat` on a SambaY folder with random weights: document and question as one user's turn.
source "$(dirname "$0")/../cli/driver.sh"
source "$source/tests/engine/models.sh"

user=1203 assistant=1204 end=1206 first_special=1202 # of tests/tokenizer/hf/o200k
model=$folder/model
write_phi "$folder/shape.json" 1300
succeed "$yoco" init --shape "$folder/shape.json" -o "$model" --seed 3
cp "$source"/tests/tokenizer/hf/o200k/tokenizer{,_config}.json "$model"
chmod u+w "$model"/*
{
    cat "$source/docs/DESIGN.md"
    for ((i = 0; i < 2000; i++)); do
        echo "<|end|>line $i<|user|> spells special tokens <|assistant|>"
    done
} >"$folder/hay"
run=("$yoco" run -m "$model" --chunk 256 --threads 1 --json -n 12)
tiny=("$yoco" eval -m "$model" --haystack "$folder/hay" --chunk 256 --threads 1 --length 512 --depths 2 --trials 1
    --needles 2)
one=("${tiny[@]}" --depths 1)

# specials LINE: the special ids of a line of the last output.
specials() {
    sed -n "$1p" "$folder/out" | tr ' ' '\n' | awk -v first=$first_special '$1 >= first' | xargs
}

# As long as asked, the template's tokens at both ends, and none that the text spells.
ids() {
    local task question
    for task in needle multikey multiquery multivalue; do
        succeed "${one[@]}" --task $task --dump-ids
        question=$(tail -n 1 "$folder/out")
        same "special tokens without --chat" "$(specials 1)$(specials 2)" ""
        succeed "${one[@]}" --task $task --dump-ids --chat
        same "special tokens of a document" "$(specials 1)" $user
        same "a document's first token" "$(head -n 1 "$folder/out" | cut -d' ' -f1)" $user
        same "tokens of a document" "$(head -n 1 "$folder/out" | wc -w)" 512
        same "a question" "$(tail -n 1 "$folder/out")" "$question $end $assistant"
    done
}

# A text that is encoded as a whole gives what yoco run --chat makes of it.
as_run() {
    local compat=("${one[@]}" --task yoco-compat) question n_tokens expected
    succeed "${compat[@]}" --dump-prompt
    cp "$folder/out" "$folder/plain"
    question=$(tail -n 1 "$folder/plain")
    head -n -1 "$folder/plain" >"$folder/document"
    succeed "${compat[@]}" --dump-prompt --chat
    cmp -s "$folder/out" <(printf '<|user|>' && head -n -1 "$folder/plain" &&
        echo "$question<|end|><|assistant|>") || fail "another prompt than the template's"
    succeed "${compat[@]}" --dump-ids --chat
    sed -n 1p "$folder/out" >"$folder/document.ids"
    sed -n 2p "$folder/out" >"$folder/question.ids"
    n_tokens=$(wc -w <"$folder/out")
    succeed "${run[@]}" --prompt-ids "$folder/document.ids" --question-ids "$folder/question.ids"
    expected=$("$json_tool" "$folder/out" answers 0 ids)
    succeed "${run[@]}" -f "$folder/document" -q "$question" --chat
    same "tokens of the prompt" "$("$json_tool" "$folder/out" answers 0 prompt_tokens)" "$n_tokens"
    same "the answer" "$("$json_tool" "$folder/out" answers 0 ids)" "$expected"
}

# An id that the folder's files name as an end ends the assistant's turn.
ends() {
    local needle=("${one[@]}" --task needle -n 4 --chat) first text
    succeed "${needle[@]}" --dump-ids
    sed -n 1p "$folder/out" >"$folder/document.ids"
    sed -n 2p "$folder/out" >"$folder/question.ids"
    local asked=("${run[@]}" -n 4 --prompt-ids "$folder/document.ids" --question-ids "$folder/question.ids")
    succeed "${asked[@]}"
    first=$("$json_tool" "$folder/out" answers 0 ids 0)
    text=$("$json_tool" "$folder/out" answers 0 text)
    succeed "${needle[@]}" -o "$folder/unended"
    same "an answer" "$("$json_tool" "$folder/unended/samples.jsonl" prediction)" "$text"
    printf '{"eos_token_id": %s}' "$first" >"$model/generation_config.json"
    succeed "${asked[@]}"
    text=$("$json_tool" "$folder/out" answers 0 text)
    succeed "${needle[@]}" -o "$folder/ended"
    same "an ended answer" "$("$json_tool" "$folder/ended/samples.jsonl" prediction)" "$text"
    cmp -s <(grep -o '"prediction":"[^"]*' "$folder/ended/samples.jsonl") \
        <(grep -o '"prediction":"[^"]*' "$folder/unended/samples.jsonl") && fail "the end token ends nothing"
    rm "$model/generation_config.json"
}

# The answer is the turn: line breaks, which random weights make now and then, do not end it.
line_breaks() {
    succeed "${tiny[@]}" --task needle --depths 11 --trials 6 -n 100 --chat -o "$folder/lines"
    grep -q '"prediction":"[^"]*\\n' "$folder/lines/samples.jsonl" || fail "no answer of several lines"
    succeed "${tiny[@]}" --task needle --depths 11 --trials 6 -n 100 -o "$folder/line"
    grep -q '"prediction":"[^"]*\\n' "$folder/line/samples.jsonl" && fail "an answer of several lines without --chat"
}

ranks() {
    local n
    for n in 1 2; do
        succeed "$mpiexec" -n $n "${tiny[@]}" --task multiquery --task yoco-compat -n 4 --chat -o "$folder/ranks$n"
        same "answers in a chat" "$(grep -c '"chat":true' "$folder/ranks$n/samples.jsonl")" 4
        sed -E 's/"prefill_s".*"threads":[0-9]+,//' "$folder/ranks$n/samples.jsonl" >"$folder/samples$n"
    done
    cmp -s "$folder/samples1" "$folder/samples2" || fail "other answers on 2 ranks"
    cmp -s "$folder/ranks1/results.json" "$folder/ranks2/results.json" || fail "other results on 2 ranks"
    same "the results' setting" "$("$json_tool" "$folder/ranks1/results.json" chat)" true
    grep -q 'chat template.*--chat'  "$folder/ranks1/report.html" || fail "no --chat in the report"
}

refusals() {
    local plain=("${tiny[@]}" --task multiquery -n 4)
    succeed "${plain[@]}" -o "$folder/plain_run"
    grep -q '"chat"' "$folder/plain_run/samples.jsonl" && fail "a chat without --chat"
    expect 65 'was made with --chat off, this run has on' "${plain[@]}" -o "$folder/plain_run" --resume --chat
    expect 65 'was made with --chat on, this run has off' "${plain[@]}" -o "$folder/ranks1" --resume
    mkdir "$folder/mixed"
    head -qn 2 "$folder/plain_run/samples.jsonl" "$folder/ranks1/samples.jsonl" >"$folder/mixed/samples.jsonl"
    expect 65 'samples.jsonl:3: made with another setting of --chat than line 1' "$yoco" eval report "$folder/mixed"
    write_fla "$folder/shape.json" swa 1300
    succeed "$yoco" init --shape "$folder/shape.json" -o "$folder/untold" --seed 3
    cp "$model"/tokenizer*.json "$folder/untold"
    expect 65 'no chat template is known for model_type "yoco"' "$mpiexec" -n 2 "${tiny[@]/$model/$folder/untold}" \
        --chat -o "$folder/none"
    expect 65 'no chat template is known for model_type "yoco"' "${tiny[@]/$model/$folder/untold}" --chat --dump-ids
    [ -e "$folder/none" ] && fail "a refused run made its folder"
}

for part in ids as_run ends line_breaks ranks refusals; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
