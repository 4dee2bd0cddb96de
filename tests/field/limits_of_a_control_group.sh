#!/bin/bash
# A job in a control group: its memory limit and its quota of processors are seen, also in a group
# below the one that has them. As root, where version 1 is mounted; tests/base has both versions.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

memory=/sys/fs/cgroup/memory/yoco-test-$$ cpu=/sys/fs/cgroup/cpu/yoco-test-$$
skip() {
    echo "skipped: needs root and control groups of version 1"
    exit 77
}
mkdir "$memory" 2>/dev/null || skip
trap 'rmdir "$memory/step" "$memory" "$cpu/step" "$cpu" 2>/dev/null; rm -rf "$folder"' EXIT
mkdir "$cpu" 2>/dev/null || skip
{ mkdir "$memory/step" "$cpu/step" && echo 60M >"$memory/memory.limit_in_bytes"; } || skip
{ echo 100000 >"$cpu/cpu.cfs_period_us" && echo 50000 >"$cpu/cpu.cfs_quota_us"; } || skip

# inside GROUP COMMAND...
inside=$folder/inside
cat >"$inside" <<'END'
#!/bin/sh
group=$1
shift
echo $$ >"$group/step/cgroup.procs" && exec "$@"
END
chmod +x "$inside"
shape=$source/configs/shapes/yoco-3b-window.json
seq -f 'Card %.0f of the shelf.' 8000 >"$folder/cards.txt"

"$inside" "$memory" "$yoco" doctor --dir "$folder" -m "$shape" --tokens 512K >"$folder/out" 2>"$folder/err"
same "exit code of doctor" $? 1
holds '^bad +memory .*a limit of the control group.* planned'
expect 70 "not enough memory for the document.*a limit of the control group" \
    "$inside" "$memory" "$yoco" run -m "$demo" -f "$folder/cards.txt" -q x -n 1
expect 70 "not enough memory for the document.*a limit of the control group" \
    "$inside" "$memory" "$yoco" context save -m "$demo" -f "$folder/cards.txt" -o "$folder/c"

succeed "$inside" "$cpu" "$yoco" run -m "$demo" -p hi -n 1
grep -q 'ranks of 1 threads' "$folder/err" || fail "more threads than the quota"
"$inside" "$cpu" "$yoco" doctor --dir "$folder" >"$folder/out" 2>"$folder/err"
holds '^warn quota .*0.50 of'
holds '^ +-> .*--threads'
finish
