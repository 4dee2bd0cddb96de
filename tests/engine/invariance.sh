#!/bin/bash
# invariance.sh YOCO MPIEXEC DUMP_TOOL window|retention|swa|gated_retention|gated_deltanet|phi|llama|qwen|gemma|qwen35|olmo DTYPE PART...: the bytes of a dump do not
# depend on ranks and threads (part ranks_and_threads), on whether rows of other ranks stay (dropped_rows), on any instruction set (instruction_sets), and
# a question's answer does not depend on the others (questions).
source "$(dirname "$0")/driver.sh"
kind=$1 dtype=$2
shift 2

model=$folder/model
vocab=512
shape=$folder/params.json
case $kind in
    window) write_params "$shape" 96 4 200 4 6 2 $vocab 48 ;;
    retention) write_params "$shape" 96 4 200 3 6 3 $vocab null ;;
    phi) write_phi "$shape" $vocab ;;
    llama) write_llama "$shape" $vocab ;;
    qwen) write_qwen "$shape" $vocab ;;
    gemma) write_gemma "$shape" $vocab ;;
    qwen35) write_qwen35 "$shape" $vocab ;;
    olmo) write_olmo "$shape" $vocab ;;
    *) write_fla "$shape" "$kind" $vocab ;;
esac
case $kind in
    window | swa | phi | llama | qwen | gemma) short_chunk=20 chunk=300 long_chunk=1300 ;;
    gated_deltanet | qwen35 | olmo) short_chunk=3 chunk=300 long_chunk=1300 ;;
    *) short_chunk=256 chunk=512 long_chunk=1280 ;;
esac
check init "$yoco" init --shape "$shape" -o "$model" --dtype bf16 --seed 3
write_ids "$folder/prompt.ids" 2500 $vocab 1
head -n 700 "$folder/prompt.ids" >"$folder/short.ids"
# Questions: one token, below and above the window, above a block, above a chunk; then short ones.
lengths=(1 40 700 2300 1025 2 49 300)
for ((i = 0; i < 64; i++)); do
    write_ids "$folder/$i.ids" "${lengths[i]:-$((1 + i * 7 % 90))}" $vocab $((i + 2))
done
base=(-m "$model" --dtype "$dtype" --backend cpu)
sampled=(--temperature 0.8 --top-k 40 --top-p .95 --seed 7)

# compare RANKS THREADS OPTION...: against the dump of one rank and thread, "$folder/one".
compare() {
    local ranks=$1 threads=$2
    shift 2
    run "$ranks" "$folder/dump" "${base[@]}" --threads "$threads" "$@"
    check "$kind $dtype: same bytes on $ranks ranks of $threads threads, $*" \
        cmp "$folder/one" "$folder/dump"
}

ranks_and_threads() {
    local ranks options=(--prompt-ids "$folder/prompt.ids" -n 16 --chunk "$chunk")
    run 1 "$folder/one" "${base[@]}" --threads 1 "${options[@]}" "${sampled[@]}"
    for ranks in 1 2 3 5 7; do
        [ $ranks = 1 ] || compare $ranks 1 "${options[@]}" "${sampled[@]}"
        compare $ranks 2 "${options[@]}" "${sampled[@]}"
    done
    cp "$folder/one" "$folder/sampled"
    run 1 "$folder/one" "${base[@]}" --threads 1 "${options[@]}"
    cmp -s "$folder/one" "$folder/sampled" && fail "greedy and sampled answers are the same"
    compare 3 1 "${options[@]}"
    compare 5 2 "${options[@]}"
}

dropped_rows() {
    local ranks options=(--prompt-ids "$folder/prompt.ids" -n 4 --chunk "$short_chunk")
    run 1 "$folder/one" "${base[@]}" --threads 1 "${options[@]}"
    global=(--failpoint worker.keep_rows:1:eio)
    for ranks in 2 3 5 7; do
        compare $ranks 1 "${options[@]}"
    done
    global=()
}

instruction_sets() {
    local isa options
    for isa in $(isas "$model"); do
        options=(--prompt-ids "$folder/short.ids" -n 8 --chunk "$short_chunk" --isa "$isa")
        run 1 "$folder/one" "${base[@]}" --threads 1 "${options[@]}"
        compare 2 2 "${options[@]}"
        compare 5 1 "${options[@]}"
        compare 7 2 "${options[@]}"
        run 3 "$folder/one" "${base[@]}" --threads 1 "${options[@]}" \
            --question-ids "$folder/3.ids" --question-ids "$folder/2.ids"
        run 1 "$folder/alone" "${base[@]}" --threads 1 "${options[@]}" \
            --question-ids "$folder/2.ids"
        check "$kind $dtype: a question alone as beside a longer one, $isa" \
            "$tool" part "$folder/one" .1 "$folder/alone"
        echo "done: $isa"
    done
}

questions() {
    local files=() i
    local options=(--prompt-ids "$folder/prompt.ids" -n 6 --chunk "$long_chunk" "${sampled[@]}")
    for ((i = 0; i < 64; i++)); do
        files+=(--question-ids "$folder/$i.ids")
    done
    run 1 "$folder/one" "${base[@]}" --threads 1 "${options[@]}" "${files[@]}"
    compare 3 2 "${options[@]}" "${files[@]}"
    for i in 0 1 2 3 4 5 6 7 8 20 35 63; do
        run $((i % 4 == 2 ? 2 : 1)) "$folder/alone" "${base[@]}" --threads 1 "${options[@]}" \
            --question-ids "$folder/$i.ids"
        check "$kind $dtype: question $i alone as among 63 others" \
            "$tool" part "$folder/one" ".$i" "$folder/alone"
    done
}

for part in "$@"; do
    $part
done
[ $n_failed = 0 ]
