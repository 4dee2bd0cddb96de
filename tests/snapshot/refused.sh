#!/bin/bash
# refused.sh YOCO MPIEXEC DUMP_TOOL: contexts of another model, document, chunk size or arithmetic,
# and damaged files, are refused with the file's name; saving again repairs; nothing outside the
# folder is touched.
source "$(dirname "$0")/driver.sh"
make_model window
write_ids "$folder/document.ids" 530 $vocab 1
base=(-m "$folder/model" --threads 1)
whole=$folder/whole context=$folder/context
save=(context save "${base[@]}" --chunk "$chunk" --prompt-ids "$folder/document.ids")
ask=(--question-ids "$folder/question.ids" -n 2 --threads 1)
check save on 2 "$yoco" "${save[@]}" -o "$whole"

other() { # OPTION...: another model of the same shape
    check init "$yoco" init --shape "$folder/params.json" -o "$folder/other" --dtype f32 "$@"
}

fresh() {
    rm -rf "$context"
    cp -r "$whole" "$context"
}

# flip FILE OFFSET: from the end where negative.
flip() {
    local size at byte
    size=$(stat -c %s "$1")
    at=$(($2 < 0 ? size + $2 : $2))
    byte=$(od -An -tu1 -j $at -N 1 "$1")
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}

other --seed 6
expect 65 "whole/manifest.json: made with another model" \
    on 2 "$yoco" run -m "$folder/other" --context "$whole" "${ask[@]}"
expect 65 "whole/manifest.json: made with another model" \
    "$yoco" context verify "$whole" -m "$folder/other"
expect 65 "whole/manifest.json: made with another model" \
    on 2 "$yoco" context save -m "$folder/other" --chunk $chunk --prompt-ids "$folder/document.ids" \
    -o "$whole"
expect 65 "made in chunks of 100 tokens, not 50: give --chunk 100" \
    on 2 "$yoco" run "${base[@]}" --context "$whole" --chunk 50 "${ask[@]}"
expect 65 "made in F32, not BF16" "$yoco" run "${base[@]}" --context "$whole" --dtype bf16 "${ask[@]}"
expect 65 "would round otherwise" \
    "$yoco" run "${base[@]}" --context "$whole" --backend reference "${ask[@]}"
cp "$(dirname "$0")"/../../models/demo-tokenizer/{yoco_tokenizer.json,demo.tiktoken} "$folder/other"
sed 's/500/4104/' "$folder/params.json" >"$folder/large.json"
check init "$yoco" init --shape "$folder/large.json" -o "$folder/large" --dtype f32
check save "$yoco" context save -m "$folder/large" --prompt-ids "$folder/document.ids" -o "$context"
cp "$(dirname "$0")"/../../models/demo-tokenizer/{yoco_tokenizer.json,demo.tiktoken} "$folder/large"
expect 65 "made with another tokenizer" \
    "$yoco" run -m "$folder/large" --context "$context" "${ask[@]}"
write_ids "$folder/other.ids" 530 $vocab 2
expect 65 "made from another document" on 2 "$yoco" context save "${base[@]}" --chunk $chunk \
    --prompt-ids "$folder/other.ids" -o "$whole"
mkdir "$folder/full"
echo mine >"$folder/full/notes"
expect 65 "has other files in it" on 2 "$yoco" "${save[@]}" -o "$folder/full"
expect 66 "no-such/manifest.json" "$yoco" context info "$folder/no-such"
expect 2 "needs a question" "$yoco" run "${base[@]}" --context "$whole"
expect 2 "exactly one of" "$yoco" run "${base[@]}" --context "$whole" -p x "${ask[@]}"

# damage NAME COMMAND...: refused by load and verify with the file's name, repaired by save.
damage() {
    local file=$1
    shift
    fresh
    "$@"
    expect "$code" "context/$file" on 3 "$yoco" context load "$context" "${base[@]}"
    expect "$code" "context/$file" "$yoco" context verify "$context"
    check "$file is repaired" on 3 "$yoco" "${save[@]}" -o "$context"
    check "$file is as before" diff -r "$whole" "$context"
}

code=65
for file in chunk-000003 edge-000005; do
    path=$context/$file.safetensors
    size=$(stat -c %s "$whole/$file.safetensors")
    damage $file flip "$path" -1
    damage $file flip "$path" 3
    damage $file flip "$path" 100
    damage $file flip "$path" $((size / 2))
    damage $file truncate -s -1 "$path"
    damage $file truncate -s 0 "$path"
    damage $file truncate -s +1 "$path"
done
damage chunk-000003 cp "$whole/chunk-000002.safetensors" "$context/chunk-000003.safetensors"
code=66
damage chunk-000001 rm "$context/chunk-000001.safetensors"
damage edge-000005 rm "$context/edge-000005.safetensors"

# A document that is not the one its manifest names; a manifest that is cut, flipped or gone.
fresh
flip "$context/document.safetensors" -1
expect 65 "context/document.safetensors" on 2 "$yoco" run "${base[@]}" --context "$context" "${ask[@]}"
for offset in 3 40 120 300 -20; do
    fresh
    flip "$context/manifest.json" $offset
    on 2 "$yoco" run "${base[@]}" --context "$context" "${ask[@]}" >"$folder/log" 2>&1 </dev/null
    [ $? = 65 ] || fail "a manifest with byte $offset changed passes"
done
fresh
truncate -s -10 "$context/manifest.json"
expect 65 "context/manifest.json" on 2 "$yoco" run "${base[@]}" --context "$context" "${ask[@]}"
rm "$context/manifest.json"
expect 66 "context/manifest.json" on 2 "$yoco" run "${base[@]}" --context "$context" "${ask[@]}"
check "a lost manifest is made again" on 3 "$yoco" "${save[@]}" -o "$context"
check "as before" diff -r "$whole" "$context"
[ "$(cat "$folder/full/notes")" = mine ] && [ "$(ls "$folder/full")" = notes ] ||
    fail "a folder of others was touched"
[ $n_failed = 0 ]
