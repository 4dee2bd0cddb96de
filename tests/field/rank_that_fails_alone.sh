#!/bin/bash
# rank_that_fails_alone.sh: a rank fails before or instead of the start of MPI. Within the deadline
# the job ends, and a line says which rank failed at what.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
# shellcheck source=tests/field/nodes.sh
source "$(dirname "$0")/nodes.sh"

run=(run -m "$demo" -p hi -n 1 --deadline 5)

# beside PATTERN COMMAND...: an error line in a job of which that is rank 1.
beside() {
    local pattern=$1
    shift
    timeout --signal=KILL 30 "$mpiexec" -n 1 "$yoco" "${run[@]}" : -n 1 "$@" : \
        -n 1 "$yoco" "${run[@]}" >"$folder/out" 2>"$folder/err" </dev/null
    case $? in
        0) fail "exit code 0: $*" ;;
        137) fail "nothing ended it: $*" ;;
    esac
    grep -Eq -- "$pattern" "$folder/err" || fail "no error line '$pattern': $*"
}

beside 'rank 1: error: .*--nonsense' "$yoco" run --nonsense
beside 'rank 1: error: .*no command' "$yoco" nonsense
beside 'rank 1: error: no command' "$yoco"
beside 'rank 1: error: .*exactly one of' "$yoco" run -m "$demo"
beside 'rank 1: error: --hang-dir is .*none' "$yoco" "${run[@]}" --hang-dir "$folder/none"
beside "rank 1: error: cannot open $folder/none/params.json" "$yoco" run -m "$folder/none" -p hi \
    -n 1 --deadline 5
beside 'rank 1: error: the command is run .needs no ranks. here, but run on rank 0' "$yoco" run --help
beside 'the other ranks to start' false
beside 'the other ranks to start' sleep 60
beside 'rank 1: error: the command is --version' "$yoco" --version

# The same fault on all ranks is one line, different ones are told all.
expect 2 "'--a'" "$mpiexec" -n 3 "$yoco" run --a
timeout 30 "$mpiexec" -n 1 "$yoco" run --a : -n 2 "$yoco" run --b >"$folder/out" 2>"$folder/err"
same 'exit code' 2 $?
same 'lines' "$(printf "error: yoco run: '--a'\nrank 1: error: yoco run: '--b'")" \
    "$(sed "s/ is no option.*//" "$folder/err" | sort)"

# A variable alone is no launcher.
expect 66 'none/params.json' env PMI_RANK=1 "$yoco" info -m "$folder/none"
expect 66 'none/params.json' env PMI_RANK=1 PMI_SIZE=2 "$yoco" info -m "$folder/none"
expect 2 'no option' env PMI_RANK=1 PMI_SIZE=2 "$yoco" run --nonsense

# A folder that only rank 0's machine has.
need_namespaces
mkdir "$folder/hang" "$folder/hang/model"
copy_model "$folder/hang/model"
two_nodes "mount -t tmpfs none $folder/hang" "$yoco" "${run[@]}" --hang-dir "$folder/hang"
expect 66 "--hang-dir $folder/hang: this rank does not see" "${nodes[@]}"
two_nodes "mount -t tmpfs none $folder/hang" "$yoco" run -m "$folder/hang/model" -p hi -n 1
expect 66 "cannot open $folder/hang/model/params.json" "${nodes[@]}"

finish
