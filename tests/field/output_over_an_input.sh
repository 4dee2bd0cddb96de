#!/bin/bash
# An output that falls on an input, or on another output, destroys nothing: refused before anything
# is written, through whatever name, in every command.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
log=$folder/log.txt jobs=$folder/jobs.jsonl
write_log "$log"
write_jobs "$jobs"
copy_model "$folder/model"
cp "$source/configs/shapes/yoco-demo-window.json" "$folder/shape"
mkdir "$folder/books" "$folder/far"
cp "$log" "$folder/books/log.txt"
ln -s log.txt "$folder/link"
ln -s far/new "$folder/dangling"
ln "$log" "$folder/name"
job a '"document":{"path":"log.txt"},"prompt":"Who?","max_tokens":1' >"$folder/ask"
batch=("$yoco" batch -m "$folder/model" -i "$jobs" --threads 1)
run=("$yoco" run -m "$folder/model" -f "$log" -n 1 --threads 1)
bench=("$yoco" bench -m "$folder/shape" --tokens 1K --contexts 1K --branches 1 --runs 1)
eval=("$yoco" eval -m "$folder/model" --task needle --trials 1 --depths 1 --length 512)
predict=("$yoco" scale -m "$folder/shape" --predict --hardware h100-infiniband --ranks 1 --tokens 4K)
(cd "$folder" && find . -type f ! -name out ! -name err -exec sha256sum {} +) >"$folder.before"

# One file, under one name or several.
expect 2 '--output .*/r is the same as --metrics .*/r' "${batch[@]}" -o "$folder/r" --metrics "$folder/r"
expect 2 'is the same as --trace' "${batch[@]}" -o "$folder/r" --metrics "$folder/x" --trace "$folder/./far/../x"
expect 2 'is the same as --metrics' "${batch[@]}" -o "$folder/dangling" --metrics "$folder/far/new"
expect 2 '--input .* is the same as --output' "${batch[@]}" -o "$jobs"
expect 2 '--input .* is the same as --metrics' "${batch[@]}" -o "$folder/r" --metrics "$jobs"
for name in log.txt link name books/../log.txt; do
    expect 2 '--file .* is the same as --dump' "${run[@]}" --dump "$folder/$name"
done
expect 2 '--question-ids .* is the same as --dump' "${run[@]}" --question-ids "$folder/q" --dump "$folder/q"
expect 2 '--model .* is the same as --json' "${bench[@]}" --json "$folder/shape"
expect 2 'is the same as --profile' "${bench[@]}" --json "$folder/x" --profile "$folder/x"
expect 2 'is the same as --output' "$yoco" init --shape "$folder/model/params.json" -o "$folder/model" --overwrite
cp "$log" "$folder/report.html"
expect 2 'is the same as --haystack' "${eval[@]}" -o "$folder" --haystack "$folder/report.html"
cp "$folder/shape" "$folder/scale.json"
expect 2 'is the same as' "$yoco" scale -m "$folder/scale.json" -o "$folder" --predict --hardware h100-infiniband --ranks 1 --tokens 4K
rm "$folder/report.html" "$folder/scale.json"
timeout 60 "${run[@]}" >>"$log" 2>"$folder/err" </dev/null
same "the document is appended to" $? 2

# A file of the model folder; a document of a job.
expect 2 'is a file of --model' "${run[@]}" --dump "$folder/model/model.safetensors"
expect 2 'is a file of --model' "${run[@]}" --dump "$folder/model/demo.tiktoken"
ln -s model/demo.tiktoken "$folder/ranks"
expect 2 'is a file of --model' "${run[@]}" --dump "$folder/ranks"
expect 2 'is the same as --trace' "${batch[@]}" -o "$folder/r" --trace "$folder/model/model.safetensors.index.json"
rm "$folder/ranks"
for path in books/log.txt books/./log.txt; do
    expect 2 '--(metrics|documents) .*(metrics|documents) ' "$yoco" batch -m "$folder/model" -i "$folder/ask" --documents "$folder/books" \
        -o "$folder/r" --metrics "$folder/$path"
done

# A folder that is one command's alone.
expect 2 'lies in the folder of --checkpoint' "${run[@]}" --checkpoint "$folder/c" --dump "$folder/c/dump"
expect 2 'lies in the folder of --checkpoint' "${run[@]}" --checkpoint "$folder"
expect 2 'the same as --checkpoint' "${run[@]}" --checkpoint "$folder/model"
expect 2 'the same as --(dump|checkpoint)' "${run[@]}" --checkpoint "$folder/c" --dump "$folder/c"
expect 2 'lies in the folder of --output' "$yoco" context save -m "$folder/model" -f "$folder/books/log.txt" -o "$folder/books"
mkdir -p "$folder/c/hang"
expect 2 'lies in the folder of --output' "$yoco" context save -m "$folder/model" -f "$log" -o "$folder/c" --hang-dir "$folder/c/hang"
rm -r "$folder/c"
expect 2 'lies in the folder of --checkpoint' "${batch[@]}" --checkpoint "$folder/c" \
    -o "$folder/c/0123456789abcdef0123456789abcdef/r"
expect 2 'lies in the folder of --hang-dir' "${batch[@]}" --hang-dir "$folder/far" -o "$folder/far/hang-0.json"

# A report of something else.
mkdir "$folder/mine"
echo mine >"$folder/mine/report.html"
expect 2 'report.html is there, but no samples.jsonl' "${eval[@]}" --haystack "$log" -o "$folder/mine"
expect 2 'report.html is there, but no scale.jsonl' "${predict[@]}" -o "$folder/mine"
same "the report" "$(cat "$folder/mine/report.html")" mine
rm -r "$folder/mine"

(cd "$folder" && find . -type f ! -name out ! -name err -exec sha256sum {} +) >"$folder.after"
same "files after all that" "$(cat "$folder.after")" "$(cat "$folder.before")"
rm "$folder.before" "$folder.after"

# What is no overlap.
succeed "${run[@]}" --dump /dev/null
succeed "$yoco" batch -m "$folder/model" -i "$folder/ask" --documents "$folder" -o "$folder/r" --metrics /dev/null --trace /dev/null
succeed "${batch[@]}" -o - --metrics "$folder/metrics" --hang-dir "$folder"
same "lines on stdout" "$(grep -c '"custom_id"' "$folder/out")" 5
succeed "${predict[@]}" -o "$folder/scale"
succeed "${predict[@]}" -o "$folder/scale"
finish
