#!/bin/bash
# A file that is written anew stays what it was: a link, its mode, its owner. A full disk or a limit
# leaves the old one and nothing beside it.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
write_jobs "$folder/jobs.jsonl"
write_log "$folder/log.txt"
run=("$yoco" run -m "$demo" -p hi -n 1 --threads 1)
batch=("$yoco" batch -m "$demo" --threads 1)
mkdir "$folder/far"

# Links stay, of files that are there and of such that are not yet.
ln -s far/r "$folder/r"
succeed "${batch[@]}" -i "$folder/jobs.jsonl" -o "$folder/r" --metrics "$folder/metrics"
[ -L "$folder/r" ] && [ "$(wc -l <"$folder/far/r")" = 5 ] || fail "results through a link"
for name in dump metrics trace; do
    ln -sf "$folder/far/$name" "$folder/$name"
done
for _ in 1 2; do
    succeed "${run[@]}" --dump "$folder/dump"
    rm -f "$folder/far/r"
    succeed "${batch[@]}" -i "$folder/jobs.jsonl" -o "$folder/r" --metrics "$folder/metrics" --trace "$folder/trace"
done
for name in dump metrics trace r; do
    [ -L "$folder/$name" ] && [ -s "$folder/far/$name" ] || fail "$name through a link"
done
same "what is left beside them" "$(ls -A "$folder/far" | tr '\n' ' ')" "dump metrics r trace "
ln -s loop "$folder/loop"
expect 66 'loop' "${run[@]}" --dump "$folder/loop"

# Mode and owner stay, where error records are taken out too.
owner="$(id -u) $(id -g)"
if [ "$(id -u)" = 0 ]; then owner="1234 1235"; fi
own() { # FILE
    chmod 640 "$1"
    [ "$(id -u)" != 0 ] || chown "${owner/ /:}" "$1"
}
sed 's/"max_tokens":4/"max_tokens":0/;3q' "$folder/jobs.jsonl" >"$folder/bad"
sed 3q "$folder/jobs.jsonl" >"$folder/good"
timeout 60 "${batch[@]}" -i "$folder/bad" -o "$folder/m" >/dev/null 2>&1
own "$folder/m"
own "$folder/far/dump"
succeed "${batch[@]}" -i "$folder/good" -o "$folder/m"
succeed "${run[@]}" --dump "$folder/dump"
same "mode and owner of results" "$(stat -c '%a %u %g' "$folder/m")" "640 $owner"
same "mode and owner of a dump" "$(stat -c '%a %u %g' "$folder/far/dump")" "640 $owner"
succeed "$yoco" init --shape "$demo/params.json" -o "$folder/model"
own "$folder/model/params.json"
succeed "$yoco" init --shape "$demo/params.json" -o "$folder/model" --overwrite
same "mode and owner of params.json" "$(stat -c '%a %u %g' "$folder/model/params.json")" "640 $owner"

# Other names of a file would keep the old content: refused.
ln "$folder/far/dump" "$folder/other"
expect 66 'hard links' "${run[@]}" --dump "$folder/dump"
same "names" "$(stat -c %h "$folder/other")" 2

# Weights are not replaced unasked.
before=$(sha256sum "$folder/model/model.safetensors")
expect 2 'model.safetensors is there.*--overwrite' "$yoco" init --shape "$demo/params.json" --seed 5 -o "$folder/model"
same "the weights" "$(sha256sum "$folder/model/model.safetensors")" "$before"

# A limit on the size of files.
seq -f 'Card %.0f of the shelf.' 1500 >"$folder/cards.txt"
limited=(bash -c 'ulimit -f 8000 && exec "$@"' limited)
expect 74 'big/chunk-000000.safetensors.*File too large' "${limited[@]}" "$yoco" context save -m "$demo" -f "$folder/cards.txt" --dtype f32 --threads 1 \
    --chunk 64K -o "$folder/big"
expect 74 'model.safetensors.*File too large' "${limited[@]}" "$yoco" init --shape "$source/configs/shapes/yoco-demo-window.json" --dtype f32 -o "$folder/huge"
same "temporary files" "$(find "$folder" -name '*.tmp')" ""
finish
