#!/bin/bash
# Every output is tried before the first token; nothing is left of the trial.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
write_jobs "$folder/jobs.jsonl"
write_log "$folder/log.txt"
cp "$source/configs/shapes/yoco-demo-window.json" "$folder/shape"
run=("$yoco" run -m "$demo" -p hi -n 1)
batch=("$yoco" batch -m "$demo" -i "$folder/jobs.jsonl")
bench=("$yoco" bench -m "$folder/shape" --tokens 1K --contexts 1K --branches 1 --runs 1)
eval=("$yoco" eval -m "$demo" --task needle --trials 1 --depths 1 --length 512 --haystack "$folder/log.txt")
predict=("$yoco" scale -m "$folder/shape" --predict --hardware h100-infiniband --ranks 1 --tokens 4K)
init=("$yoco" init --shape "$demo/params.json")
mkdir "$folder/there"
echo old >"$folder/old"

# each PATH REASON: as every output of every command.
each() {
    expect 66 "$2" "${run[@]}" --dump "$folder/$1"
    expect 66 "$2" "${batch[@]}" -o "$folder/r" --trace "$folder/$1"
    expect 66 "$2" "${batch[@]}" -o "$folder/r" --metrics "$folder/$1"
    expect 66 "$2" "${batch[@]}" -o "$folder/$1"
    expect 66 "$2" "${bench[@]}" --json "$folder/$1"
    expect 66 "$2" "${bench[@]}" --profile "$folder/$1"
    [ ! -e "$folder/r" ] || fail "a batch began before its outputs were tried"
}
# each_folder PATH REASON
each_folder() {
    expect 66 "$2" "${run[@]}" --checkpoint "$folder/$1"
    expect 66 "$2" "${batch[@]}" -o "$folder/r" --checkpoint "$folder/$1"
    expect 66 "$2" "$yoco" context save -m "$demo" -p hi -o "$folder/$1"
    expect 66 "$2" "${eval[@]}" -o "$folder/$1"
    expect 66 "$2" "${predict[@]}" -o "$folder/$1"
    expect 66 "$2" "${init[@]}" -o "$folder/$1"
    [ ! -e "$folder/r" ] || fail "a batch began before its outputs were tried"
}

each none/file 'No such file or directory'
each there 'not a regular file'
each old/file 'Not a directory'
each_folder none/folder 'No such file or directory'
each_folder old 'not a folder'
expect 66 'No such file or directory' "$mpiexec" -n 2 "${batch[@]}" -o "$folder/r" --trace "$folder/none/t"
ln -s none/file "$folder/dangling"
each dangling 'No such file or directory'

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    # read-only COMMAND...: where the folder can be read only.
    cat >"$folder/read-only" <<'END'
#!/bin/bash
folder=$1
shift
exec unshare -m bash -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"' "$folder" "$@"
END
    chmod +x "$folder/read-only"
    expect 66 'Read-only' "$folder/read-only" "$folder/there" "${batch[@]}" -o "$folder/r" --trace "$folder/there/t"
    expect 66 'Read-only' "$folder/read-only" "$folder/there" "${run[@]}" --checkpoint "$folder/there"
    expect 66 'Read-only' "$folder/read-only" "$folder/there" "${eval[@]}" -o "$folder/there/e"
    # A folder without room for one more name is a full disk.
    cat >"$folder/no-inodes" <<'END'
#!/bin/bash
folder=$1
shift
exec unshare -m bash -c 'mount -t tmpfs -o nr_inodes=1 none "$0" && exec "$@"' "$folder" "$@"
END
    chmod +x "$folder/no-inodes"
    expect 74 'No space left' "$folder/no-inodes" "$folder/there" "${run[@]}" --dump "$folder/there/d"
    expect 74 'No space left' "$folder/no-inodes" "$folder/there" "${batch[@]}" -o "$folder/there/r"
    expect 74 'No space left' "$folder/no-inodes" "$folder/there" "$yoco" context save -m "$demo" -p hi -o "$folder/there"
    expect 74 'No space left' "$folder/no-inodes" "$folder/there" "${init[@]}" -o "$folder/there/m"
    rm "$folder/read-only" "$folder/no-inodes"
fi

# A variable that a script has not set is no path: not the root of the file system, not this folder.
for option in -o --metrics --trace --checkpoint --context --hang-dir --documents -i -m; do
    expect 2 "not ''" "${batch[@]}" $option ""
done
for option in --dump --checkpoint --context -f --prompt-ids --question-ids -m; do
    expect 2 "not ''" "${run[@]}" $option ""
done
expect 2 "not ''" "$yoco" context save -m "$demo" -p hi -o ""
expect 2 'folder is missing' "$yoco" context info ""
expect 2 'takes one folder' "$yoco" eval report ""
expect 2 "not ''" "$yoco" doctor --dir ""
expect 2 "not ''" "${init[@]}" -o ""
expect 2 "not ''" "$yoco" plan -m "$demo" --tokens 1K --time --hardware ""

same "what was there" "$(cat "$folder/old")" old
same "what is there" "$(ls -A "$folder" | tr '\n' ' ')" "dangling err jobs.jsonl log.txt old out shape there "
same "what is in the folder" "$(ls -A "$folder/there")" ""
finish
