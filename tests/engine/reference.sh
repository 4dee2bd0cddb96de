#!/bin/bash
# reference.sh YOCO MPIEXEC DUMP_TOOL FOLDER: what the authors' code computes for a model of
# tests/reference, on both backends, 1 to 5 ranks, chunks below and above the window, that do and do
# not divide the prompt.
source "$(dirname "$0")/driver.sh"
model=$1
limit=$(limit_of "$model")
expected=$model/expected.safetensors

prompt=()
if "$tool" ids "$expected" document >"$folder/prompt.ids" 2>/dev/null; then
    for ((i = 0; ; i++)); do
        "$tool" ids "$expected" "question.$i" >"$folder/$i.ids" 2>/dev/null || break
        prompt+=(--question-ids "$folder/$i.ids")
    done
    generated=generated.0
else
    "$tool" ids "$expected" prompt >"$folder/prompt.ids"
    generated=generated
fi
prompt+=(--prompt-ids "$folder/prompt.ids" -n "$("$tool" ids "$expected" $generated | wc -l)")

chunks=(13 100 2048)
is_retention "$model" && chunks=(256 512 2048)
# Below the convolution, too.
! grep -Eqs 'gated_deltanet|linear_attention' "$model/config.json" || chunks=(2 100 2048)
[[ $model != *phi4flash* ]] || chunks=(13 100 2048 2)

# compare RANKS CHUNK OPTION...
compare() {
    local ranks=$1 chunk=$2
    shift 2
    run "$ranks" "$folder/dump" -m "$model" "${prompt[@]}" --dtype f32 --threads 1 \
        --chunk "$chunk" "$@"
    check "$* on $ranks ranks, chunks of $chunk" \
        "$tool" expected "$folder/dump" "$expected" "$limit"
}

for ranks in 1 2 3 5; do
    for chunk in "${chunks[@]}"; do
        compare "$ranks" "$chunk" --backend cpu
    done
done
sed "s/^/cpu: /" "$folder/log"
compare 1 "${chunks[0]}" --backend reference
compare 2 "${chunks[2]}" --backend reference
compare 3 "${chunks[1]}" --backend reference
compare 5 "${chunks[0]}" --backend reference
sed "s/^/reference: /" "$folder/log"
for isa in $(isas "$model"); do
    compare 2 "${chunks[0]}" --backend cpu --isa "$isa"
done
[ $n_failed = 0 ]
