# shellcheck shell=bash disable=SC2034
# Sourced by the tests of this folder; see tests/cli/driver.sh for expect, succeed, holds, same. A
# test ends with `finish`.
# shellcheck source=tests/cli/driver.sh
. "${BASH_SOURCE[0]%/*}/../cli/driver.sh"

demo=$source/models/demo
question=$'\n\nQuestion: What is the vault combination registered to kq-417?\nAnswer:' # 73914 in log.txt

# write_log FILE: a document of 60 lines, the answer to $question in the middle.
write_log() {
    local i
    for i in $(seq 60); do
        echo "Entry $i. The keeper wrote down wind and tide."
        [ "$i" != 30 ] || echo "The vault combination registered to kq-417 is 73914."
    done >"$1"
}

# job ID FIELDS: one line of a batch.
job() {
    printf '{"custom_id":"%s","method":"POST","url":"/v1/completions","body":{%s}}\n' "$1" "$2"
}

# write_jobs FILE: five short jobs.
write_jobs() {
    local i
    for i in 1 2 3 4 5; do
        job "$i" '"prompt":"Lantern '"$i"' stands on the quay.","max_tokens":4,"temperature":0'
    done >"$1"
}

# copy_model FOLDER: the demo model and its tokenizer, to be changed.
copy_model() {
    mkdir -p "$1"
    cp "$demo/"* "$1"
}

finish() {
    [ $n_failed = 0 ] || echo "$n_failed failed"
    exit $((n_failed > 0))
}
