#!/bin/bash
# folders_that_are_not_one.sh: node-local scratch under one name. What all ranks write to is refused
# before the prefill; what they read may be copies, but of one thing.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
# shellcheck source=tests/field/nodes.sh
source "$(dirname "$0")/nodes.sh"
need_namespaces

write_log "$folder/log.txt"
write_jobs "$folder/jobs.jsonl"
own=$folder/own
mkdir "$own" "$own/there"
tmpfs="mount -t tmpfs none $own"

# refused PATTERN COMMAND...: and nothing was left in the folder.
refused() {
    local pattern=$1
    shift
    two_nodes "$prepare" "$yoco" "$@"
    expect 66 "$pattern" "${nodes[@]}"
    ! grep -q prefill "$folder/err" || fail "after the prefill: $*"
    same 'files' "$own/there" "$(find "$own" -mindepth 1)"
}

for prepare in "$tmpfs" "hostname elsewhere && $tmpfs"; do
    for path in "$own" "$own/new"; do
        refused "--output $path: this rank does not see what rank 0 writes to $own" \
            context save -m "$demo" -f "$folder/log.txt" --chunk 64 -o "$path"
        refused "--checkpoint $path: this rank does not see" \
            run -m "$demo" -f "$folder/log.txt" -n 1 --checkpoint "$path"
        refused "--checkpoint $path: this rank does not see" \
            batch -m "$demo" -i "$folder/jobs.jsonl" -o "$folder/results" --checkpoint "$path"
    done
    refused "--hang-dir $own: this rank does not see" run -m "$demo" -p hi -n 1 --hang-dir "$own"
done
prepare="mount --bind $own $own && mount -o remount,ro,bind $own"
refused "--checkpoint $own: cannot write to $own: Read-only" \
    run -m "$demo" -f "$folder/log.txt" -n 1 --checkpoint "$own"

# Several machines, one folder: it is tried, and nothing stays of that.
two_nodes 'hostname elsewhere' "$yoco" context save -m "$demo" -f "$folder/log.txt" --chunk 64 \
    -o "$own/context"
succeed "${nodes[@]}"
succeed "$yoco" context verify "$own/context" -m "$demo"
same 'files' '' "$(find "$own" -name '.yoco*')"

# A context that is read: a copy does, another document does not.
cp -r "$own/context" "$folder/copy"
sed 's/73914/73915/' "$folder/log.txt" >"$folder/other.txt"
succeed "$yoco" context save -m "$demo" -f "$folder/other.txt" --chunk 64 -o "$folder/other"
ask=("$yoco" run -m "$demo" --context "$own/context" -q "$question" -n 8)
two_nodes "mount --bind $folder/copy $own/context" "${ask[@]}"
succeed "${nodes[@]}"
holds 73914
two_nodes "mount --bind $folder/other $own/context" "${ask[@]}"
expect 65 "$own/context: the context is not the one that rank 0 has" "${nodes[@]}"

finish
