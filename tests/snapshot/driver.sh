# shellcheck shell=bash disable=SC2034
# Sourced by the drivers of this folder, each called as DRIVER YOCO MPIEXEC DUMP_TOOL ARGUMENT...
source "$(dirname "${BASH_SOURCE[0]}")/../engine/driver.sh"

# make_model KIND: "$folder/model", window, retention, swa, gated_retention, gated_deltanet, phi, llama, gemma, qwen35 or olmo, and the chunk size that suits
# its tests.
vocab=500
make_model() {
    local window=16
    chunk=100
    case $1 in
        *retention) window=null chunk=256 ;;
    esac
    case $1 in
        phi) write_phi "$folder/params.json" $vocab ;;
        llama) write_llama "$folder/params.json" $vocab ;;
        gemma) write_gemma "$folder/params.json" $vocab ;;
        qwen35) write_qwen35 "$folder/params.json" $vocab ;;
        olmo) write_olmo "$folder/params.json" $vocab ;;
        swa | gated_*) write_fla "$folder/params.json" "$1" $vocab ;;
        *) write_params "$folder/params.json" 32 4 48 2 4 2 $vocab $window ;;
    esac
    sed -i 's/8192/100000/' "$folder/params.json"
    check init "$yoco" init --shape "$folder/params.json" -o "$folder/model" --dtype f32 --seed 5
    write_ids "$folder/question.ids" 5 $vocab 9
}

# on RANKS COMMAND...: that many ranks; one starts without a launcher.
on() {
    local ranks=$1 launcher=()
    shift
    [ "$ranks" = 1 ] || launcher=("$mpiexec" -n "$ranks")
    timeout --signal=KILL 120 "${launcher[@]}" "$@"
}

# expect CODE PATTERN COMMAND...: that exit code, and an error line that the pattern matches.
expect() {
    local code=$1 pattern=$2 rc
    shift 2
    "$@" >"$folder/log" 2>&1 </dev/null
    rc=$?
    if [ "$code" = killed ]; then
        [ $rc != 0 ] && [ $rc != 74 ] && [ $rc != 75 ] || fail "exit code $rc of a killed run: $*"
    elif [ $rc != "$code" ]; then
        fail "exit code $rc, not $code: $*"
    elif [ -n "$pattern" ] && ! grep -Eq "error: .*($pattern)" "$folder/log"; then
        fail "no error line '$pattern': $*"
    fi
}
