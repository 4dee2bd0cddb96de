# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by the drivers of this folder: a tiny model, documents, and jobs.
source "$(dirname "$0")/../cli/driver.sh"

init_model model 16 4104 3000
add_tokenizer "$folder/model"
mkdir -p "$folder/docs/sub"
head -c 4000 "$source/docs/DESIGN.md" >"$folder/docs/long.txt"
head -c 700 "$source/README.md" >"$folder/docs/sub/short.txt"
# One thread: on a machine that is busy, threads wait long for each other.
batch=("$yoco" batch -m "$folder/model" --chunk 64 --documents "$folder/docs" --threads 1)
input=$folder/jobs.jsonl output=$folder/results.jsonl

# completion ID BODY: a line of the input file; BODY without its braces.
completion() {
    printf '{"custom_id": "%s", "method": "POST", "url": "/v1/completions", "body": {%s}}\n' "$1" "$2"
}

chat() {
    printf '{"custom_id": "%s", "method": "POST", "url": "/v1/chat/completions", "body": {%s}}\n' \
        "$1" "$2"
}

# mixed_jobs: long ones, short ones, sampled ones, questions on documents; all lines are good.
mixed_jobs() {
    local i
    completion long '"prompt": ["What is a chunk?", "Why?"], "document": {"path": "long.txt"},
        "max_tokens": 5, "seed": 4, "logprobs": 2' | tr '\n' ' ' && echo
    completion short '"prompt": "Is it C?", "document": {"path": "sub/short.txt"}, "max_tokens": 9'
    chat talk '"messages": [{"role": "system", "content": "Be brief."}, {"role": "user",
        "content": "Hello"}], "max_tokens": 6, "logprobs": true, "top_logprobs": 1' | tr '\n' ' ' && echo
    completion several '"prompt": ["One", "Two words", "And three words"], "max_tokens": 4'
    for i in 1 2 3 4 5 6; do
        completion "small-$i" "\"prompt\": \"$(printf "number $i %.0s" $(seq $((5 * i))))\",
            \"max_tokens\": $((i + 1)), \"seed\": $i, \"top_p\": 0.9" | tr '\n' ' ' && echo
    done
}

# line_of ID FILE: the job's line of an output file, alone in "$folder/json".
line_of() {
    grep -F "\"custom_id\":\"$1\"" "$2" >"$folder/json"
    same "lines of job $1" "$(wc -l <"$folder/json")" 1
}

# json KEY...: a value in "$folder/json".
json() {
    "$json_tool" "$folder/json" "$@" || fail "no value $* in $(head -c 300 "$folder/json")"
}

# same_lines FILE FILE: but for their order.
same_lines() {
    cmp -s <(sort "$1") <(sort "$2") || fail "$1 and $2 do not hold the same lines"
}

# error_lines N: of the last command.
error_lines() {
    same "error lines" "$(grep -c 'error: ' "$folder/err")" "$1"
}

# ends CODE COMMAND...
ends() {
    local code=$1 rc
    shift
    timeout --signal=KILL 120 "$@" >"$folder/out" 2>"$folder/err" </dev/null
    rc=$?
    [ $rc = "$code" ] || fail "exit code $rc, not $code: $*"
}
