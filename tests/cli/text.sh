#!/bin/bash
# text.sh: text in, text out: streaming and JSON, questions, stop strings, seeds.
source "$(dirname "$0")/driver.sh"

init_model model 16 4104 2000
init_model ids 16 50 200
add_tokenizer "$folder/model"
seq 1 40 >"$folder/forty"
text=("$yoco" run -m "$folder/model" --chunk 16)
prompt='The ship left the harbour at dawn, and nobody aboard knew where it was bound.'

# json KEY...: a value of the report in "$folder/json".
json() {
    "$json_tool" "$folder/json" "$@" || fail "no value $* in the JSON report"
}

# report OPTION...: the run's JSON report in "$folder/json", its first answer in $answer.
report() {
    succeed "${text[@]}" --json "$@"
    cp "$folder/out" "$folder/json"
    answer=$(json answers 0 text)
}

streams() {
    report -p "$prompt" -n 40
    same "number of ids" "$(json answers 0 ids | tr -cd , | wc -c)" 39
    same "reason to end" "$(json answers 0 finish_reason)" length
    same "generated tokens" "$(json generated_tokens)" 40
    same "ranks" "$(json ranks)" 1
    succeed "${text[@]}" -p "$prompt" -n 40
    same "streamed text" "$(cat "$folder/out")" "$answer"
    printf %s "$prompt" >"$folder/document"
    succeed "${text[@]}" -f "$folder/document" -n 40
    same "text of a file" "$(cat "$folder/out")" "$answer"
    succeed "$mpiexec" -n 3 "${text[@]}" -p "$prompt" -n 40
    same "text on 3 ranks" "$(cat "$folder/out")" "$answer"
    succeed "$mpiexec" -n 3 "${text[@]}" -p "$prompt" -n 40 --json
    cp "$folder/out" "$folder/json"
    same "JSON on 3 ranks" "$(json answers 0 text)" "$answer"
    same "ranks" "$(json ranks)" 3
}

bos() {
    local with
    report -p "$prompt" -n 1
    with=$(json answers 0 prompt_tokens)
    report -p "$prompt" -n 1 --no-bos
    same "tokens without <s>" "$(json answers 0 prompt_tokens)" $((with - 1))
    report -p '<s>' -n 1 --no-bos
    [ "$(json answers 0 prompt_tokens)" -gt 1 ] || fail "the text <s> became a token"
}

any_bytes() {
    printf 'a\xff\xfe\xc3(\x00\xf0\x9f\x98' >"$folder/bytes"
    report -f "$folder/bytes" -n 60 --temperature 3
    succeed "${text[@]}" -f "$folder/bytes" -n 60 --temperature 3
    iconv -f UTF-8 -t UTF-8 "$folder/out" >/dev/null 2>"$folder/err" ||
        fail "the streamed text is not UTF-8"
    same "text after odd bytes" "$(cat "$folder/out")" "$answer"
}

questions() {
    local alone=() i asked=('Who?' 'Where was the ship bound, and why?' 'When')
    for i in 0 1 2; do
        report -p "$prompt" -q "${asked[i]}" -n 12
        same "question" "$(json answers 0 question)" "${asked[i]}"
        alone[i]=$answer
    done
    report -p "$prompt" -q "${asked[0]}" -q "${asked[1]}" -q "${asked[2]}" -n 12
    for i in 0 1 2; do
        same "question $i beside the others" "$(json answers $i text)" "${alone[i]}"
        same "index" "$(json answers $i index)" $i
    done
    succeed "${text[@]}" -p "$prompt" -q "${asked[0]}" -q "${asked[1]}" -q "${asked[2]}" -n 12
    same "streamed answers" "$(cat "$folder/out")" "[0] ${asked[0]}
${alone[0]}

[1] ${asked[1]}
${alone[1]}

[2] ${asked[2]}
${alone[2]}"
    # texts and id files, in the order of the command line
    report -p "$prompt" -q "${asked[1]}" --question-ids "$folder/forty" -q "${asked[0]}" -n 12
    same "question before the ids" "$(json answers 0 text)" "${alone[1]}"
    same "question after the ids" "$(json answers 2 text)" "${alone[0]}"
}

# A stop string taken from the answer itself cuts it.
stops() {
    local whole at piece
    report -p "$prompt" -n 40
    whole=$answer
    for ((at = 8; at < ${#whole} - 3; at++)); do
        piece=${whole:at:3}
        case $piece in *[!a-zA-Z\ ]*) continue ;; esac
        break
    done
    report -p "$prompt" -n 40 --stop nowhere-to-be-found --stop "$piece"
    same "text cut at '$piece'" "$answer" "${whole%%"$piece"*}"
    same "reason to end" "$(json answers 0 finish_reason)" stop
    succeed "${text[@]}" -p "$prompt" -n 40 --stop "$piece"
    same "streamed text cut at '$piece'" "$(cat "$folder/out")" "$answer"
}

seeds() {
    local sampled=(-p "$prompt" -n 30 --temperature 1 --top-k 200) first
    report "${sampled[@]}" --seed 1
    first=$answer
    report "${sampled[@]}" --seed 1
    same "text of a seed" "$answer" "$first"
    succeed "$mpiexec" -n 2 "${text[@]}" "${sampled[@]}" --seed 1
    same "text of a seed on 2 ranks" "$(cat "$folder/out")" "$first"
    report "${sampled[@]}" --seed 2
    [ "$answer" != "$first" ] || fail "two seeds give one text"
    report -p "$prompt" -n 30
    first=$answer
    report -p "$prompt" -n 30 --temperature 1 --top-k 1 --seed 3
    same "text of --top-k 1" "$answer" "$first"
}

# Without a tokenizer, ids: those of the dump.
ids() {
    local run=("$yoco" run -m "$folder/ids" --prompt-ids "$folder/forty" -n 20)
    succeed "${run[@]}" --dump "$folder/dump"
    same "printed ids" "$(tr ' ' '\n' <"$folder/out")" "$("$dump_tool" ids "$folder/dump" generated)"
    same "prompt of the dump" "$("$dump_tool" ids "$folder/dump" prompt)" "$(cat "$folder/forty")"
    succeed "${run[@]}" --question-ids "$folder/forty" --question-ids "$folder/forty" \
        --dump "$folder/dump"
    same "ids of two questions" "$(cat "$folder/out")" "[0]
$("$dump_tool" ids "$folder/dump" generated.0 | paste -sd ' ')

[1]
$("$dump_tool" ids "$folder/dump" generated.1 | paste -sd ' ')"
    succeed "${run[@]}" --json
    cp "$folder/out" "$folder/json"
    "$json_tool" "$folder/json" answers 0 text >"$folder/out" 2>&1 &&
        fail "text without a tokenizer"
    same "ids in the report" "$(json answers 0 ids | tr -d '[] ' | tr , '\n' | wc -l)" 20
}

for part in streams bos any_bytes questions stops seeds ids; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
