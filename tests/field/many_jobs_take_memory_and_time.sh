#!/bin/bash
# many_jobs_take_memory_and_time.sh: documents are in memory one at a time, and what is done per job takes a time that
# grows with the jobs, not with their square.
source "$(dirname "$0")/driver.sh"

# peak_kib COMMAND...
peak_kib() {
    python3 - "$@" <<'P'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
P
}

# milliseconds COMMAND...: of the processor.
milliseconds() {
    python3 - "$@" <<'P'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(int(1000 * (u.ru_utime + u.ru_stime)))
P
}

mkdir "$folder/docs"
for i in $(seq 24); do # 1 MB each
    seq -f "Card %.0f of shelf $i, and some more." 28000 >"$folder/docs/$i"
    job "$i" '"document":{"path":"'"$i"'"},"prompt":"Who?","max_tokens":1'
done >"$folder/all"
head -4 "$folder/all" >"$folder/four"
few=$(peak_kib "$yoco" batch -m "$demo" -i "$folder/four" --documents "$folder/docs" --validate-only)
many=$(peak_kib "$yoco" batch -m "$demo" -i "$folder/all" --documents "$folder/docs" --validate-only)
[ "$many" -lt $((few + 8000)) ] || fail "4 documents take $few KiB, 24 take $many KiB"

# A document that two jobs ask about, with others between them, is the same one.
{ job x '"document":{"path":"1"},"prompt":"Who?","max_tokens":1'; head -2 "$folder/all"; } >"$folder/three"
succeed "$yoco" batch -m "$demo" -i "$folder/three" --documents "$folder/docs" --validate-only

# Error records that are taken out, and custom_ids that are looked up.
records() {
    local i
    for ((i = 0; i < $1; i++)); do printf '{"custom_id":"%d","body":{}}\n' "$i"; done >"$folder/jobs"
    rm -f "$folder/results"
    "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results" 2>/dev/null
    for ((i = 0; i < $1; i++)); do printf '{"custom_id":"%d","b":{}}\n' "$i"; done >"$folder/jobs"
    milliseconds "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results"
    [ "$(wc -l <"$folder/results")" = "$1" ] || echo "$(wc -l <"$folder/results") lines of $1"
}
few=$(records 4000)
many=$(records 16000)
[ "$many" -lt $((6 * few + 500)) ] || fail "4,000 error records take $few ms, 16,000 take $many ms"
finish
