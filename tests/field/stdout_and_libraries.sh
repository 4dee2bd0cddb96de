#!/bin/bash
# UCX, MPICH and oneDNN log to stdout, in the middle of a JSON report; a hangup makes UCX print its
# own state there.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

answer=$("$yoco" run -m "$demo" -p hi -n 2 2>/dev/null)
export UCX_NET_DEVICES=mlx5_0:1 UCX_LOG_LEVEL=info MPIR_CVAR_DEBUG_SUMMARY=1 DNNL_VERBOSE=1
write_jobs "$folder/jobs.jsonl"

# One rank starts MPI, and with it UCX, where a launcher left a mark.
succeed env PMIX_RANK=0 "$yoco" run -m "$demo" -p hi -n 2 --json
"$json_tool" "$folder/out" >/dev/null || fail "no JSON on stdout"
grep -q UCX "$folder/err" || fail "UCX logged nothing to stderr, so this test shows nothing"
succeed "$yoco" run -m "$demo" -p hi -n 2
same "an answer" "$(cat "$folder/out")" "$answer"
succeed "$mpiexec" -n 2 "$yoco" run -m "$demo" -p hi -n 2
same "an answer on two ranks" "$(cat "$folder/out")" "$answer"
succeed "$mpiexec" -n 2 "$yoco" batch -m "$demo" -i "$folder/jobs.jsonl" -o -
same "lines of a batch" "$(grep -c '^{"id"' "$folder/out") of $(wc -l <"$folder/out")" "5 of 5"
succeed "$yoco" doctor --json --dir "$folder"
"$json_tool" "$folder/out" >/dev/null || fail "doctor: no JSON on stdout"
succeed "$yoco" bench -m "$source/configs/shapes/yoco-demo-window.json" --tokens 1K --contexts 1K \
    --branches 1 --runs 1 --json -
"$json_tool" "$folder/out" >/dev/null || fail "bench: no JSON on stdout"

# A hangup while the answer grows.
PMIX_RANK=0 "$yoco" run -m "$demo" -p hi -n 400 >"$folder/out" 2>"$folder/err" &
pid=$!
for _ in $(seq 100); do
    ! grep -q tokens "$folder/err" || break
    sleep 0.1
done
kill -HUP $pid
wait $pid
! grep -aq UCX "$folder/out" || fail "a hangup printed into the answer"
finish
