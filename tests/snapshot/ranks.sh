#!/bin/bash
# ranks.sh YOCO MPIEXEC DUMP_TOOL window|retention|swa|gated_retention|gated_deltanet|phi|llama|gemma|qwen35|olmo DTYPE: a context saved on 2 ranks and loaded on 1,
# 3 and 5 gives the bytes of a run that prefills it. Documents of every fit to the chunk grid.
source "$(dirname "$0")/driver.sh"
kind=$1 dtype=$2
make_model "$kind"
base=(-m "$folder/model" --dtype "$dtype" --threads 1)

# round_trip N CHUNK: a document of N ids.
round_trip() {
    local n=$1 size=$2 context=$folder/context ranks
    local question=(--question-ids "$folder/question.ids" -n 6)
    rm -rf "$context"
    write_ids "$folder/document.ids" "$n" $vocab 1
    run 1 "$folder/fresh" "${base[@]}" --chunk "$size" --prompt-ids "$folder/document.ids" \
        "${question[@]}"
    check "save $n ids in chunks of $size" on 2 "$yoco" context save "${base[@]}" --chunk "$size" \
        --prompt-ids "$folder/document.ids" -o "$context"
    check "verify $n ids" "$yoco" context verify "$context" -m "$folder/model"
    for ranks in 1 3 5; do
        run $ranks "$folder/loaded" "${base[@]}" --context "$context" "${question[@]}"
        check "$kind $dtype, $n ids, chunks of $size: same bytes on $ranks ranks" \
            cmp "$folder/fresh" "$folder/loaded"
    done
    check "load $n ids" on 3 "$yoco" context load "$context" "${base[@]}"
}

round_trip $((10 * chunk)) $chunk      # ends with a full chunk
round_trip $((6 * chunk + 37)) $chunk  # and with a short one
round_trip 37 $chunk                   # only a short one
round_trip 1 $chunk
round_trip 300 2048
if [ "$kind" = window ]; then
    round_trip 200 7 # chunks below the window
    write_params "$folder/params.json" 32 4 48 2 4 2 $vocab 1
    rm -r "$folder/model"
    check init "$yoco" init --shape "$folder/params.json" -o "$folder/model" --dtype f32 --seed 5
    round_trip 200 20 # edges without rows
fi
[ $n_failed = 0 ]
