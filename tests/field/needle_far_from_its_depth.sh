#!/bin/bash
# A haystack with one line break has no place for most needles: where one stands far from its depth,
# the log, the samples and all that is made of them say so.
source "${BASH_SOURCE[0]%/*}/driver.sh"

words() {
    local i
    for ((i = 0; i < 3000; i++)); do
        printf 'tide %d of %d ' $i $((i * 31 % 997))
    done
}
{
    words
    echo
    words
} >"$folder/hay"
init_model model 16 4104 2000
add_tokenizer "$folder/model"
run=("$yoco" eval -m "$folder/model" --haystack "$folder/hay" --trials 1 --length 1024
    --threads 1 -n 4)

succeed "${run[@]}" --task needle --depths 5 -o "$folder/far"
grep -Eq 'needle, 1024 tokens, depth 0.5, .* 1 of 1 needles .* instead of 0.500' "$folder/err" ||
    fail "no word in the log"
same "needles that are far" "$(grep -c '"far":true' "$folder/far/samples.jsonl")" 3
grep -q '"depth":0.5,.*"wanted":0.5,"far":true' "$folder/far/samples.jsonl" || fail "not far"
grep -q '"far": 3,\?$' "$folder/far/results.json" || fail "no word in results.json"
grep -q 'from its depth.*1 of 1K tokens at 50 %' "$folder/far/report.html" || fail "not in the page"
grep -q '[0-9]\*</text>' "$folder/far/heatmap.svg" || fail "no mark in the heatmap"

# at random depths too, and in a dry run; the words stand in the document all the same
succeed "${run[@]}" --task multiquery --needles 6 --dump-prompt
grep -Eq 'multiquery, .* [2-6] of 6 needles stand more than 5 %' "$folder/err" || fail "multiquery"

succeed "${run[@]}" --task yoco-compat --depths 3 --dump-prompt
grep -Eq 'yoco-compat, .* 1 of 1 needles stand more than 5 %' "$folder/err" || fail "yoco-compat"

# text in lines: nothing is far
seq -f 'Card %.0f of the shelf.' 8000 >"$folder/hay"
succeed "${run[@]}" --task needle --task multiquery --depths 5 -o "$folder/near"
grep -q 'of the document from their depth' "$folder/err" && fail "a false word in the log"
grep -Eq '"far":true|"far": ' "$folder/near"/*.json* && fail "a false word in the results"
grep -q 'from its depth' "$folder/near/report.html" && fail "a false word in the page"
finish
