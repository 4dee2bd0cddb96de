# shellcheck shell=bash
# Sourced by the batch scripts of this folder, which docs/CLUSTER.md explains: starts the ranks, and
# decides by their exit code whether the job goes back into the queue.
max_requeues=5

# The script's own arguments.
if [ $# -lt 3 ]; then
    echo "usage: sbatch [OPTION]... SCRIPT MODEL JOBS RESULTS [OPTION]...; see the head of the script" >&2
    exit 2
fi

# progress RESULTS: how far the batch is, as one number that grows. A job's checkpoint goes when its
# line is there, so that lines count first.
progress() {
    local lines=0 parts=0
    [ ! -f "$1" ] || lines=$(wc -l <"$1")
    [ ! -d "$1.checkpoint" ] || parts=$(find "$1.checkpoint" -name '*.safetensors' | wc -l)
    echo $((lines * 1000000000 + parts))
}

# spend_requeue RESULTS: one of this job's requeues, which are counted in a file beside the results.
spend_requeue() {
    local job='' count=0
    [ ! -f "$1.requeues" ] || read -r job count <"$1.requeues"
    [ "$job" = "$SLURM_JOB_ID" ] || count=0
    if [ "$count" -ge $max_requeues ]; then
        echo "requeued $count times already: giving up" >&2
        return 1
    fi
    echo "$SLURM_JOB_ID $((count + 1))" >"$1.requeues"
}

# shall_requeue CODE BEFORE NOW RESULTS. A stop that was asked for and brought the work on is free. A
# stop that did not, and a kill that came after some work, may happen a few times.
shall_requeue() {
    case $1 in
        75) [ "$3" -gt "$2" ] || spend_requeue "$4" ;;
        9 | 137 | 143) [ "$3" -gt "$2" ] && spend_requeue "$4" ;;
        *) return 1 ;;
    esac
}

# this_job: its number. The last task of an array has the number of the whole array as SLURM_JOB_ID.
this_job() {
    if [ -n "${SLURM_ARRAY_JOB_ID-}" ]; then
        echo "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    else
        echo "$SLURM_JOB_ID"
    fi
}

# run_batch MODEL JOBS RESULTS OPTION...: yoco batch with one rank per task of the job. Ends the
# script with the ranks' exit code.
run_batch() {
    local model=$1 jobs=$2 results=$3 before code=0
    shift 3
    before=$(progress "$results")
    # srun does not take this over from sbatch.
    export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
    srun --mpi=pmi2 --kill-on-bad-exit=1 yoco batch -m "$model" -i "$jobs" -o "$results" \
        --checkpoint "$results.checkpoint" --threads "$SRUN_CPUS_PER_TASK" "$@" || code=$?
    if shall_requeue "$code" "$before" "$(progress "$results")" "$results"; then
        echo "exit code $code: back into the queue" >&2
        scontrol requeue "$(this_job)" || echo "the job cannot be requeued" >&2
    else
        rm -f "$results.requeues"
    fi
    exit "$code"
}
