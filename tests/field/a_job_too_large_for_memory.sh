#!/bin/bash
# a_job_too_large_for_memory.sh: it is given up with its field and the bytes planned and left, is no invalid request,
# and counts as failed; others go on, and with more memory it is answered.
source "$(dirname "$0")/driver.sh"

prompts=$(printf '"p",%.0s' {1..64})
{
    job big '"prompt":['"${prompts%,}"'],"max_tokens":1000000,"stop":" "'
    job small '"prompt":"Lantern","max_tokens":2'
} >"$folder/jobs"

# limited COMMAND...: with 1.5 GiB of address space beyond what a small job takes.
limited() {
    (ulimit -v 3000000; exec "$@" --threads 1 --progress json --metrics "$folder/metrics") >"$folder/out" 2>"$folder/err"
    same "exit code" $? 70
    python3 - "$folder/results" <<'P' || fail "records: $(cut -c1-600 "$folder/results")"
import json, re, sys
lines = {l["custom_id"]: l for l in map(json.loads, open(sys.argv[1]))}
e = lines["big"]["error"]
assert lines["big"]["response"]["status_code"] == 500 and e["type"] == "server_error" and e["code"] == 500
assert e["param"] == "body.max_tokens" and e["message"].startswith("line 1: body.max_tokens ")
planned, left = re.search(r"planned with (\d+) bytes.* where (\d+) are left", e["message"]).groups()
assert int(planned) > int(left)
assert lines["small"]["response"]["status_code"] == 200
P
    grep -q 'jobs{state="failed"} 1' "$folder/metrics" || fail "metrics: $(cat "$folder/metrics")"
    grep -q 'jobs{state="done"} 1' "$folder/metrics" || fail "metrics: $(cat "$folder/metrics")"
    grep -q '"event":"end","jobs_done":1,.*"jobs_failed":1,"tokens_done":\([0-9]*\),"tokens":\1' "$folder/err" ||
        fail "progress: $(grep '"end"' "$folder/err")"
}

limited "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results"

# With a saved context, whose branches are reserved for all jobs at once.
write_log "$folder/log.txt"
succeed "$yoco" context save -m "$demo" -f "$folder/log.txt" --chunk 64 -o "$folder/context"
rm "$folder/results"
(ulimit -v 3000000; exec "$yoco" batch -m "$demo" --context "$folder/context" -i "$folder/jobs" -o "$folder/results" \
    --threads 1) >"$folder/out" 2>"$folder/err"
same "exit code" $? 70
grep -q '"custom_id":"big".*"status_code":500.*"param":"body.max_tokens"' "$folder/results" || fail "no record"
grep -q '"custom_id":"small".*"status_code":200' "$folder/results" || fail "no answer"

# The next run, with smaller wishes or more memory.
sed -i 's/1000000/5/' "$folder/jobs"
succeed "$yoco" batch -m "$demo" --context "$folder/context" -i "$folder/jobs" -o "$folder/results"
same "answers" "$(grep -c '"status_code":200' "$folder/results")/$(wc -l <"$folder/results")" 2/2
finish
