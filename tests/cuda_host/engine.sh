#!/bin/bash
# engine.sh YOCO MPIEXEC DUMP_TOOL FOLDER [BACKEND MAX_RANKS TRANSPORT]: the engine on the GPU
# backend. In f32, what the authors' code computes for a model of tests/reference; in bf16, what the
# cpu backend computes; the same bytes on every number of ranks, twice in a row, and from a saved
# context.
source "$(dirname "$0")/../engine/driver.sh"
model=$1 backend=${2:-cuda} max_ranks=${3:-4} transport=${4:-auto}
limit=$(limit_of "$model") bf16_limit=0.08
[[ $model != *phi4flash* ]] || bf16_limit=0.25 # see limit_of; on the cpu bf16 alone moves K by up to 1.3
expected=$model/expected.safetensors

questions=()
if "$tool" ids "$expected" document >"$folder/prompt.ids" 2>/dev/null; then
    for ((i = 0; ; i++)); do
        "$tool" ids "$expected" "question.$i" >"$folder/$i.ids" 2>/dev/null || break
        questions+=(--question-ids "$folder/$i.ids")
    done
    generated=generated.0
else
    "$tool" ids "$expected" prompt >"$folder/prompt.ids"
    generated=generated
fi
questions+=(-n "$("$tool" ids "$expected" $generated | wc -l)" -m "$model" --threads 1)
gpu=(--backend "$backend" --transport "$transport")
options=("${questions[@]}" --prompt-ids "$folder/prompt.ids")
chunk=100
is_retention "$model" && chunk=256

run 1 "$folder/one" "${options[@]}" --chunk $chunk "${gpu[@]}" --dtype f32
check "f32" "$tool" expected "$folder/one" "$expected" "$limit"
sed "s/^/f32: /" "$folder/log"
for ((ranks = 2; ranks <= max_ranks; ranks++)); do
    run $ranks "$folder/dump" "${options[@]}" --chunk $chunk "${gpu[@]}" --dtype f32
    check "f32 on $ranks ranks" cmp "$folder/one" "$folder/dump"
done

if [ $generated = generated.0 ]; then # a saved context wants questions
    launcher=()
    [ "$max_ranks" = 1 ] || launcher=("$mpiexec" -n "$max_ranks")
    check "save a context" "${launcher[@]}" "$yoco" context save -m "$model" --threads 1 \
        --prompt-ids "$folder/prompt.ids" --chunk $chunk "${gpu[@]}" --dtype f32 \
        -o "$folder/context"
    run 1 "$folder/dump" "${questions[@]}" --context "$folder/context" "${gpu[@]}" --dtype f32
    check "f32 from a saved context" cmp "$folder/one" "$folder/dump"
fi

run 1 "$folder/one" "${options[@]}" --chunk $chunk "${gpu[@]}" --dtype bf16
run $((max_ranks < 3 ? max_ranks : 3)) "$folder/dump" "${options[@]}" --chunk $chunk \
    "${gpu[@]}" --dtype bf16
check "bf16 again" cmp "$folder/one" "$folder/dump"
if [ $generated = generated ]; then
    run 1 "$folder/cpu" "${options[@]}" --chunk $chunk --backend cpu --dtype bf16
    check "bf16 as on the cpu" "$tool" close "$folder/one" "$folder/cpu" $bf16_limit
    sed "s/^/bf16: /" "$folder/log"
fi
[ $n_failed = 0 ]
