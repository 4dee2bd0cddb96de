#!/bin/bash
# A folder that is being written is refused to a second command, which touches nothing.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
write_log "$folder/log.txt"
seq -f 'Card %.0f of the shelf.' 250 >"$folder/cards.txt"
save=("$yoco" context save -m "$demo" --chunk 64 --threads 1)
refused='two is being written by another process'

# begin COMMAND...: in the background, until it writes into the folder.
begin() {
    "$@" >"$folder/first" 2>&1 &
    first=$!
    until [ -e "$folder/two/writing.lock" ] || ! kill -0 $first 2>/dev/null; do sleep 0.02; done
    kill -STOP $first
}

# end: the first goes on to its end.
end() {
    kill -CONT $first
    wait $first || fail "the first one: exit code $?: $(tail -1 "$folder/first")"
}

begin "${save[@]}" -f "$folder/cards.txt" -o "$folder/two"
touch "$folder/two/chunk-000001.safetensors.1.tmp" # of nobody who lives
before=$(ls -A "$folder/two")
for text in log cards; do
    expect 66 "$refused" "${save[@]}" -f "$folder/$text.txt" -o "$folder/two"
    expect 66 "$refused" "$yoco" run -m "$demo" -f "$folder/$text.txt" -n 1 --chunk 64 --threads 1 --checkpoint "$folder/two"
done
same "the folder" "$(ls -A "$folder/two")" "$before"
end
rm -f "$folder/two/chunk-000001.safetensors.1.tmp"
succeed "$yoco" context verify "$folder/two" -m "$demo"
[ ! -e "$folder/two/writing.lock" ] || fail "the lock is left"

# A checkpoint is locked until it is removed.
rm -r "$folder/two"
begin "$yoco" run -m "$demo" -f "$folder/cards.txt" -n 1 --chunk 64 --threads 1 --checkpoint "$folder/two"
expect 66 "$refused" "${save[@]}" -f "$folder/log.txt" -o "$folder/two"
end
[ ! -e "$folder/two" ] || fail "the checkpoint is left"

# A lock that a kill left is none.
begin "${save[@]}" -f "$folder/cards.txt" -o "$folder/two"
kill -KILL $first
wait $first 2>/dev/null
succeed "${save[@]}" -f "$folder/cards.txt" -o "$folder/two"
succeed "$yoco" context verify "$folder/two" -m "$demo"

# Results, samples and rows have the same lock.
write_jobs "$folder/jobs.jsonl"
mkdir "$folder/e" "$folder/s"
for file in "$folder/r" "$folder/e/samples.jsonl" "$folder/s/scale.jsonl"; do
    : >"$file"
done
exec 8<"$folder/r" 9<"$folder/e/samples.jsonl" 7<"$folder/s/scale.jsonl" # the lock of another
flock 8 && flock 9 && flock 7
expect 66 'r is being written by another' "$yoco" batch -m "$demo" -i "$folder/jobs.jsonl" -o "$folder/r" --overwrite
expect 66 'samples.jsonl is being written by another' "$yoco" eval -m "$demo" --task needle --trials 1 --depths 1 --length 512 \
    --haystack "$folder/cards.txt" -o "$folder/e" --overwrite
expect 66 'scale.jsonl is being written by another' "$yoco" scale -m "$source/configs/shapes/yoco-demo-window.json" -o "$folder/s" \
    --predict --hardware h100-infiniband --ranks 1 --tokens 4K
# Nor is any of them replaced whole, or its folder written to.
batch=("$yoco" batch -m "$demo" -i "$folder/jobs.jsonl")
for file in "$folder/r" "$folder/e/samples.jsonl" "$folder/s/scale.jsonl"; do
    expect 66 'is being written by another' "$yoco" run -m "$demo" -p hi -n 1 --dump "$file"
    expect 66 'is being written by another' "${batch[@]}" -o "$folder/other" --metrics "$file"
    expect 66 'is being written by another' "${batch[@]}" -o "$folder/other" --trace "$file"
done
expect 66 'samples.jsonl is being written by another' "$yoco" bench -m "$demo" --json "$folder/e/samples.jsonl"
exec 6>"$folder/far.lock"
mkdir "$folder/far" && ln "$folder/far.lock" "$folder/far/writing.lock" && flock 6
expect 66 'far is being written by another' "${batch[@]}" -o "$folder/far/r"
expect 66 'far is being written by another' "$yoco" run -m "$demo" -p hi -n 1 --dump "$folder/far/manifest.json"
[ ! -e "$folder/other" ] || fail "a batch has begun"

# Results that are removed or replaced while a batch writes them: it ends, and does not say that all went well.
for i in $(seq 400); do job "$i" '"prompt":"Lantern '"$i"'","max_tokens":40'; done >"$folder/many"
"$yoco" batch -m "$demo" -i "$folder/many" -o "$folder/gone" --threads 1 >"$folder/first" 2>&1 &
first=$!
until [ -s "$folder/gone" ] || ! kill -0 $first 2>/dev/null; do sleep 0.02; done
rm "$folder/gone"
wait $first
same "exit code without the results" $? 74
grep -q 'error: .*gone was removed' "$folder/first" || fail "no line: $(tail -1 "$folder/first")"

mkdir "$folder/model"
exec 8>"$folder/model/writing.lock"
flock 8
expect 66 'model is being written by another' "$yoco" init --shape "$demo/params.json" -o "$folder/model"
finish
