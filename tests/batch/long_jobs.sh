# shellcheck shell=bash disable=SC2154
# Sourced after driver.sh: a batch in which there is something to lose.

# long_jobs: three documents, each of all ranks and with a checkpoint, and six short jobs in "$input";
# what an undisturbed run answers in "$folder/undisturbed".
long_jobs() {
    local i
    rm "$folder/model/model.safetensors" "$folder/model/params.json"
    init_model model 16 4104 20000
    for i in 1 2 3; do
        cat "$source"/docs/*.md | head -c 20000 | tail -c +$i >"$folder/docs/$i.txt"
        completion "long-$i" "\"prompt\": \"Why?\", \"document\": {\"path\": \"$i.txt\"}, \"max_tokens\": 1, \"seed\": $i"
    done >"$input"
    for i in 1 2 3 4 5 6; do
        completion "short-$i" "\"prompt\": \"number $i\", \"max_tokens\": 8, \"seed\": $i"
    done >>"$input"
    succeed "${batch[@]}" -i "$input" -o "$folder/undisturbed"
}
