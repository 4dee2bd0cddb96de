#!/bin/bash
# scale.sh YOCO MPIEXEC SIMULATOR SOURCE_FOLDER: sweeps on this machine and, unless SIMULATOR is
# "none", simulated ones: the same messages, the same result twice, times near the formula's,
# what-ifs; resuming and bad input.
set -u
export LC_ALL=C.UTF-8
yoco=$1 mpiexec=$2 simulator=$3 source=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
n_failed=0
here=$source/tests/scale

fail() {
    echo "FAILED: $1"
    sed 's/^/    /' "$folder/err" | head -20
    n_failed=$((n_failed + 1))
}

# scale OUTPUT OPTION...
scale() {
    local output=$1
    shift
    timeout --signal=KILL 500 "$yoco" scale -o "$folder/$output" --launcher "$mpiexec -n %P" \
        --simulator "$simulator" --backend reference --threads 1 "$@" >"$folder/out" 2>"$folder/err" </dev/null ||
        fail "yoco scale $*"
}

# refuse CODE PATTERN OPTION...
refuse() {
    local code=$1 pattern=$2 rc
    shift 2
    "$yoco" scale "$@" >"$folder/out" 2>"$folder/err" </dev/null
    rc=$?
    [ $rc = "$code" ] || fail "exit code $rc, not $code: $*"
    [ "$(grep -c 'error: ' "$folder/err")" = 1 ] || fail "not one error line: $*"
    grep -Eq -e "$pattern" "$folder/err" || fail "no '$pattern': $*"
}

# A small shape, made on the first call.
shape() {
    local window=null
    [ "$1" = retention ] || window=20
    [ "$1" != attention ] || cat >"$folder/$1.json" <<EOF
{"model_type": "llama", "hidden_size": 16, "num_hidden_layers": 4, "intermediate_size": 24, "num_attention_heads": 2,
 "num_key_value_heads": 1, "vocab_size": 50, "max_position_embeddings": 100000}
EOF
    [ -f "$folder/$1.json" ] || cat >"$folder/$1.json" <<EOF
{"dim": 16, "n_layers": 4, "hidden_dim": 24, "n_self_heads": 2, "n_attn_heads": 2,
 "n_attn_kv_heads": 1, "vocab_size": 50, "max_seq_len": 100000, "sliding_window": $window}
EOF
    echo "$folder/$1.json"
}

bad_input() {
    local window
    window=$(shape window)
    refuse 2 '-o FOLDER is missing' -m "$window" --ranks 1 --tokens 1K
    refuse 2 'give --ranks' -m "$window" -o "$folder/bad" --tokens 1K
    refuse 2 "not '1,x'" -m "$window" -o "$folder/bad" --ranks 1,x --tokens 1K
    refuse 2 'need --hardware' -m "$window" -o "$folder/bad" --ranks 1 --tokens 1K --predict
    refuse 2 'add --simulate' -m "$window" -o "$folder/bad" --ranks 1 --tokens 1K --bandwidth 0.5
    refuse 66 'no-such' -m "$window" -o "$folder/bad" --ranks 1 --tokens 1K --predict \
        --hardware no-such
    refuse 66 'cannot start' -m "$window" -o "$folder/bad" --ranks 1 --tokens 1K \
        --launcher no-such-launcher
    refuse 75 'ended with status' -m "$window" -o "$folder/bad" --ranks 1 --tokens 1K \
        --launcher false
    echo '{"key": 1}' >"$folder/bad/scale.jsonl"
    refuse 65 'line 1: not a run' -m "$window" -o "$folder/bad" --report-only
}

# A second call runs nothing; a torn last line runs once more, and so does a point with other settings.
resume() {
    local options=(-m "$(shape window)" --ranks "1,2" --tokens 100 --chunk 64 --runs 1 --steps 1)
    scale resume "${options[@]}"
    [ "$(grep -c measured: "$folder/err")" = 2 ] || fail "two runs were asked for"
    scale resume "${options[@]}"
    ! grep -q measured: "$folder/err" || fail "a finished run ran again"
    truncate -s -9 "$folder/resume/scale.jsonl"
    scale resume "${options[@]}"
    [ "$(grep -c measured: "$folder/err")" = 1 ] || fail "the torn line was not run again"
    [ "$(wc -l <"$folder/resume/scale.jsonl")" = 2 ] || fail "not two lines"
    flock "$folder/resume/scale.jsonl" "$yoco" scale -o "$folder/resume" --report-only 2>"$folder/err" &&
        fail "two sweeps in one folder"
    [ "$(wc -l <"$folder/resume/scale.csv")" = 3 ] || fail "not a head and two lines of CSV"
    scale resume "${options[@]}" --runs 2
    [ "$(grep -c measured: "$folder/err")" = 2 ] || fail "another number of runs, yet not run again"
    [ "$(wc -l <"$folder/resume/scale.csv")" = 3 ] || fail "the newer runs did not replace the older"
    scale resume "${options[@]}" --runs 2
    ! grep -q measured: "$folder/err" || fail "a run with the same settings ran again"
}

# A profile that has changed under its name predicts anew.
changed_hardware() {
    local options=(-m "$(shape window)" --ranks 2 --tokens 1K --predict --hardware "$folder/profile.json")
    cp "$source/configs/hardware/h100-infiniband.json" "$folder/profile.json"
    scale profile "${options[@]}"
    sed -i 's/"launch_s": [^,]*/"launch_s": 0.5/' "$folder/profile.json"
    scale profile "${options[@]}"
    [ "$(grep -c predicted: "$folder/err")" = 1 ] || fail "another profile, yet not predicted again"
}

# The ranks' messages and reductions, measured and simulated. Chunks of 16 are shorter than an edge.
messages() {
    local kind chunk
    while read -r kind chunk; do
        scale $kind-$chunk -m "$(shape $kind)" --ranks 1,2,3,5 --tokens 700 --branches 3 \
            --chunk "$chunk" --runs 1 --steps 2 --sim-steps 2 --measure --simulate \
            --hardware epyc-infiniband
        python3 "$here/compare.py" messages "$folder/$kind-$chunk/scale.jsonl" >"$folder/err" \
            2>&1 || fail "messages of $kind in chunks of $chunk"
    done <<<"window 64
window 16
retention 256
attention 64"
}

twice() {
    local run options=(-m "$source/configs/shapes/yoco-3b-retention.json" --ranks 12 --tokens 8K --chunk 512 --simulate
        --hardware h100-ethernet)
    for run in first second; do
        scale $run "${options[@]}"
    done
    python3 "$here/compare.py" equal "$folder/first/scale.jsonl" "$folder/second/scale.jsonl" \
        >"$folder/err" 2>&1 || fail "two simulations differ"
}

# Prefill and step as predicted, where edges make chains, where they do not, and where rows go round the ring.
formula() {
    local kind tokens chunk network
    while read -r kind tokens chunk network; do
        scale formula -m "$source/configs/shapes/$kind.json" --ranks 1,6,32 --tokens "$tokens" --chunk "$chunk" \
            --simulate --predict --hardware "h100-$network"
    done <<<"yoco-3b-window 64K 256 ethernet
yoco-3b-retention 64K 256 ethernet
transformer-3b 40K 1K infiniband"
    python3 "$here/compare.py" near "$folder/formula/scale.jsonl" >"$folder/err" 2>&1 ||
        fail "prediction and simulation differ"
}

# Each change makes it slower.
what_if() {
    local options=(-m "$source/configs/shapes/yoco-3b-window.json" --ranks 16 --tokens 32K --chunk 1K --simulate
        --hardware h100-ethernet)
    scale if "${options[@]}"
    scale if "${options[@]}" --slow-rank 3 --slow-rank-time 4
    scale if "${options[@]}" --slow-node 1 --slow-node-bandwidth 0.05
    scale if "${options[@]}" --bandwidth 0.05
    python3 "$here/compare.py" slower "$folder/if/scale.jsonl" >"$folder/err" 2>&1 ||
        fail "what-ifs"
}

bad_input
resume
changed_hardware
if [ "$simulator" != none ]; then
    messages
    twice
    formula
    what_if
else
    echo "skipped: simulations: SimGrid's smpicc is missing (Debian: libsimgrid-dev)"
fi
[ $n_failed = 0 ] || exit 1
echo "sweeps are as they should be"
