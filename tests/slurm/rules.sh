#!/bin/bash
# rules.sh SOURCE_FOLDER: which exit codes of a batch send its Slurm job back into the queue, and
# which code the script ends with. srun and scontrol are stand-ins.
set -u
# shellcheck source=configs/slurm/common.sh
source "$1/configs/slurm/common.sh" MODEL JOBS RESULTS
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
results=$folder/results.jsonl
n_failed=0
export SLURM_JOB_ID=7

# shellcheck disable=SC2317 # run_batch calls it
srun() {
    [ "$work" = none ] || echo line >>"$results"
    return "$step_code"
}

# shellcheck disable=SC2317
scontrol() {
    echo "$*" >"$folder/requeued"
}

# ends_with CODE WORK OUTCOME: a step that ends so, after some work or none; "again" or "over".
ends_with() {
    local step_code=$1 work=$2 outcome=over got
    rm -f "$folder/requeued"
    (run_batch model jobs "$results" 2>/dev/null)
    got=$?
    [ ! -f "$folder/requeued" ] || outcome=again
    if [ "$got $outcome" != "$step_code $3" ]; then
        echo "FAILED: code $step_code, work $work: script ended with $got, $outcome, not $3"
        n_failed=$((n_failed + 1))
    fi
}

for code in 0 2 65 66 70 74; do
    ends_with $code some over
done
for code in 9 137 143; do
    ends_with $code none over
    ends_with $code some again
done
ends_with 0 some over

# Five kills, whatever stops come between; then a new job counts anew.
for _ in 1 2 3 4 5; do
    ends_with 137 some again
    ends_with 75 some again
done
ends_with 137 some over
for _ in 1 2 3 4 5; do ends_with 75 none again; done
ends_with 75 none over
ends_with 143 some again
SLURM_JOB_ID=8
for _ in 1 2 3 4 5; do ends_with 9 some again; done
ends_with 9 some over

# A checkpoint that grows is work, too.
# shellcheck disable=SC2317
srun() {
    mkdir -p "$results.checkpoint/job"
    touch "$results.checkpoint/job/chunk-000000.safetensors"
    return "$step_code"
}
ends_with 137 none again
ends_with 137 none over

# One task of an array, not the array.
rm -rf "$results.checkpoint"
SLURM_ARRAY_JOB_ID=8 SLURM_ARRAY_TASK_ID=3 ends_with 137 none again
if [ "$(cat "$folder/requeued")" != 'requeue 8_3' ]; then
    echo "FAILED: $(cat "$folder/requeued"), not requeue 8_3"
    n_failed=$((n_failed + 1))
fi
[ $n_failed = 0 ]
