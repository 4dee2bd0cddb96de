# shellcheck shell=bash disable=SC2034
# Sourced by the drivers of this folder, each called as
# DRIVER YOCO MPIEXEC DUMP_TOOL JSON_TOOL SOURCE_FOLDER.
set -u
export LC_ALL=C.UTF-8
yoco=$1 mpiexec=$2 dump_tool=$3 json_tool=$4 source=$5
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
n_failed=0

fail() {
    echo "FAILED: $1"
    sed 's/^/    out: /' "$folder/out" | head -20
    sed 's/^/    err: /' "$folder/err" | head -20
    n_failed=$((n_failed + 1))
}

# expect CODE PATTERN COMMAND...: that exit code, nothing on stdout, and one error line, which the
# extended regular expression matches.
expect() {
    local code=$1 pattern=$2 rc n_lines
    shift 2
    timeout --signal=KILL 120 "$@" >"$folder/out" 2>"$folder/err" </dev/null
    rc=$?
    n_lines=$(grep -c 'error: ' "$folder/err")
    if [ $rc != "$code" ]; then
        fail "exit code $rc, not $code: $*"
    elif [ "$n_lines" != 1 ]; then
        fail "$n_lines error lines, not one: $*"
    elif ! grep -Eq "error: .*($pattern)" "$folder/err"; then
        fail "no error line '$pattern': $*"
    elif [ -s "$folder/out" ]; then
        fail "an error after output: $*"
    fi
}

# succeed COMMAND...: exit code 0. Leaves "$folder/out" and "$folder/err".
succeed() {
    timeout --signal=KILL 120 "$@" >"$folder/out" 2>"$folder/err" </dev/null || fail "exit code $?: $*"
}

# holds PATTERN: a line of the last output matches.
holds() {
    grep -Eq -- "$1" "$folder/out" || fail "no line '$1' on stdout"
}

# same WHAT A B: two strings.
same() {
    [ "$2" = "$3" ] || fail "$1: '$2' is not '$3'"
}

# write_params FILE WINDOW VOCAB MAX_SEQ_LEN
write_params() {
    cat >"$1" <<END
{"dim": 32, "n_layers": 4, "hidden_dim": 48, "n_self_heads": 2, "n_attn_heads": 4,
 "n_attn_kv_heads": 2, "vocab_size": $3, "sliding_window": $2, "max_seq_len": $4}
END
}

# init_model NAME WINDOW VOCAB MAX_SEQ_LEN: random weights in "$folder/NAME".
init_model() {
    write_params "$folder/$1.json" "$2" "$3" "$4"
    succeed "$yoco" init --shape "$folder/$1.json" -o "$folder/$1" --dtype f32 --seed 5
}

add_tokenizer() {
    cp "$source"/models/demo-tokenizer/{yoco_tokenizer.json,demo.tiktoken} "$1"
}
