#!/bin/bash
# --checkpoint removes what it began itself and nothing else: not a saved context, finished or not,
# nor files of a file system, nor a folder that cannot be removed.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
log=$folder/log.txt
write_log "$log"
run=("$yoco" run -m "$demo" -f "$log" -q "$question" -n 8 --chunk 256 --threads 1)
save=("$yoco" context save -m "$demo" -f "$log" --chunk 256 --threads 1)

succeed "${save[@]}" -o "$folder/book"
cp -r "$folder/book" "$folder/copy"
succeed "${run[@]}" --checkpoint "$folder/book"
holds 73914
grep -q 'is a saved context and stays.*--context' "$folder/err" || fail "nothing is said of --context"
diff -r "$folder/book" "$folder/copy" || fail "a saved context has changed"

# Unfinished, or without its manifest.
timeout 60 "$yoco" --failpoint file.rename:5:kill "${save[@]:1}" -o "$folder/part" 2>/dev/null
[ -e "$folder/part/partial.json" ] || fail "the save was not cut"
succeed "${run[@]}" --checkpoint "$folder/part"
succeed "$yoco" context verify "$folder/part" -m "$demo"
rm "$folder/copy/manifest.json"
succeed "${run[@]}" --checkpoint "$folder/copy"
succeed "$yoco" context verify "$folder/copy" -m "$demo"

# Its own goes, also one that a kill cut, between any two steps of its removal too.
succeed "${run[@]}" --checkpoint "$folder/own"
[ ! -e "$folder/own" ] || fail "a checkpoint is left"
for point in file.rename:1 file.rename:4 file.remove:1 file.remove:3 file.remove:6 file.remove:9; do
    timeout 60 "$yoco" --failpoint "$point:kill" "${run[@]:1}" --checkpoint "$folder/own" >/dev/null 2>&1 || true
    succeed "${run[@]}" --checkpoint "$folder/own"
    holds 73914
    [ ! -e "$folder/own" ] || fail "a checkpoint is left after a kill at $point"
done
# What a context save takes up is saved.
timeout 60 "$yoco" --failpoint file.rename:5:kill "${run[@]:1}" --checkpoint "$folder/own" >/dev/null 2>&1
succeed "${save[@]}" -o "$folder/own"
succeed "${run[@]}" --checkpoint "$folder/own"
succeed "$yoco" context verify "$folder/own" -m "$demo"

# A folder that was there: a link, and one in which a file system keeps something.
mkdir "$folder/real"
ln -s real "$folder/link"
succeed "${run[@]}" --checkpoint "$folder/link"
holds 73914
same "files in the link's folder" "$(ls -A "$folder/real")" ""
hidden=(.nfs0000000000000001 .DS_Store ._chunk-000000.safetensors .fuse_hidden0001)
touch "${hidden[@]/#/$folder/real/}"
succeed "${run[@]}" --checkpoint "$folder/real"
same "hidden files" "$(ls -A "$folder/real" | wc -l)" 4
succeed "${save[@]}" -o "$folder/real"
succeed "$yoco" context verify "$folder/real"
same "hidden files of a saved context" "$(find "$folder/real" -name '.?*' -type f | wc -l)" 4
rm -r "$folder/real"
mkdir "$folder/real"
touch "$folder/real/notes.txt"
expect 65 'has other files in it .notes.txt.' "${run[@]}" --checkpoint "$folder/real"
expect 65 'has other files in it .notes.txt.' "${save[@]}" -o "$folder/real"
same "a folder of others" "$(ls -A "$folder/real")" notes.txt

# The checkpoint of a batch's job.
job a '"document":{"path":"log.txt"},"prompt":"Who?","max_tokens":2' >"$folder/ask"
succeed "$yoco" batch -m "$demo" -i "$folder/ask" --documents "$folder" -o "$folder/r" --checkpoint "$folder/ck"
id=$(sed 's/.*batch_req_\([0-9a-f]*\).*/\1/' "$folder/r")
mkdir -p "$folder/ck/$id"
touch "$folder/ck/$id/.nfs0000000000000001"
rm "$folder/r"
succeed "$yoco" batch -m "$demo" -i "$folder/ask" --documents "$folder" -o "$folder/r" --checkpoint "$folder/ck"
same "answers" "$(wc -l <"$folder/r")" 1
same "what is left" "$(ls -A "$folder/ck/$id")" .nfs0000000000000001
finish
