#!/bin/bash
# long.sh PROGRAMS CORPUS OUT SECONDS NAME...: fuzzes all targets one after the other, SECONDS in
# total, from their corpus and from what earlier runs found (OUT/NAME). A table with a line per
# target is left in OUT/figures.txt; a target's log and the inputs that fail it are OUT/NAME.log and
# OUT/NAME-crash-... . Exit 1 where a target failed.
set -euo pipefail
programs=$1 corpus=$2 out=$3 seconds=$4
shift 4
share=$((seconds / $#))
if [ "$share" -lt 1 ]; then
    echo "FUZZ_SECONDS: $seconds seconds are not one for each of $# targets" >&2
    exit 2
fi

# after WORD FILE: the last number behind WORD.
after() {
    { grep -oE "$1:? +[0-9]+" "$2" || echo 0; } | tail -n 1 | grep -oE '[0-9]+$'
}

# line NAME STATUS
line() {
    local log=$out/$1.log edges verdict=ok
    edges=$(sed -nE 's/.*Loaded 1 modules +\(([0-9]+) .*/\1/p' "$log")
    [ "$2" = 0 ] || verdict="FAILED, see $log"
    printf '%-18s %11d %8d %8d %6d of %-6d %6d  %s\n' "$1" \
        "$(after stat::number_of_executed_units "$log")" "$share" \
        "$(after stat::average_exec_per_sec "$log")" "$(after cov "$log")" "${edges:-0}" \
        "$(find "$out/$1" -type f | wc -l)" "$verdict"
}

mkdir -p "$out"
printf '%-18s %11s %8s %8s %16s %6s\n' target inputs seconds per_s covered_edges found |
    tee "$out/figures.txt"
failed=0
# -close_fd_mask: a line for each refused input would be gigabytes; libFuzzer's own lines are kept.
for name in "$@"; do
    mkdir -p "$out/$name"
    status=0
    "$programs/fuzz_$name" -max_total_time="$share" -print_final_stats=1 -timeout=60 \
        -close_fd_mask=3 -artifact_prefix="$out/$name-" "$out/$name" "$corpus/$name" \
        >"$out/$name.log" 2>&1 ||
        status=$?
    line "$name" "$status" | tee -a "$out/figures.txt"
    [ "$status" = 0 ] || failed=1
done
exit $failed
