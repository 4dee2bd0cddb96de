#!/bin/bash
# The text of an evaluation's document, encoded again, is not always the tokens that were asked
# about: --dump-ids gives these, and yoco run with them the sample's answer.
source "${BASH_SOURCE[0]%/*}/driver.sh"

seq -f 'Card %.0f of the shelf.' 8000 >"$folder/hay"
run=("$yoco" eval -m "$demo" --haystack "$folder/hay" --trials 1 --length 512 --depths 1 --seed 5
    --threads 1)

# check TASK QUESTION: the answer to a question of the task's only document
check() {
    local sample answer i=$2
    sed -n 1p "$folder/ids" >"$folder/document.ids"
    sed -n $((i + 2))p "$folder/ids" >"$folder/question.ids"
    succeed "$yoco" run -m "$demo" --prompt-ids "$folder/document.ids" \
        --question-ids "$folder/question.ids" -n 24 --threads 1 --stop $'\n' --json
    cp "$folder/out" "$folder/answer.json"
    sed -n $((i + 1))p "$folder/$1/samples.jsonl" >"$folder/sample.json"
    sample=$("$json_tool" "$folder/sample.json" prediction)
    answer=$("$json_tool" "$folder/answer.json" answers 0 text)
    same "$1, question $i" "$answer" "$sample"
    same "tokens" "$("$json_tool" "$folder/answer.json" context_tokens)" 512
}

for task in needle multikey multiquery; do
    succeed "${run[@]}" --task $task --dump-ids
    cp "$folder/out" "$folder/ids"
    same "ids of a document" "$(head -n 1 "$folder/ids" | wc -w)" 512
    succeed "${run[@]}" --task $task -o "$folder/$task"
    same "lines" "$(wc -l <"$folder/ids")" $((1 + $(wc -l <"$folder/$task/samples.jsonl")))
    check $task 0
done
check multiquery 3
expect 2 'not both' "${run[@]}" --dump-ids --dump-prompt
finish
