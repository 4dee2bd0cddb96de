#!/bin/bash
# shellcheck disable=SC2154
# batch.sh: the shipped scripts under a real Slurm. A batch on 4 ranks over both nodes is stopped as
# before its time limit, loses a node, and ends with the lines of an undisturbed run.
PATH=$PATH:/usr/sbin
for program in munged slurmctld slurmd sbatch; do
    if ! command -v $program >/dev/null; then
        echo "skipped: Slurm: $program is missing (Debian: munge slurmctld slurmd slurm-client)"
        exit 77
    fi
done
source "$(dirname "$0")/cluster.sh"
if [ "$1" != inside ]; then
    enter_namespaces "$0" inside "$@"
else
    shift
fi
source "$(dirname "$0")/../batch/driver.sh"
source "$(dirname "$0")/../batch/long_jobs.sh"

cluster=$folder/cluster
trap 'stop_cluster; rm -rf "$folder"' EXIT
mkdir "$cluster" "$folder/bin"
touch "$folder/out" "$folder/err"
scripts=$source/configs/slurm
export PATH=$folder/bin:$PATH

# What sbatch's script finds as yoco. In the first two starts rank 2, on node n2, is frozen midway: a
# line more than after the starts before is there, and after it came an edge of the next document.
write_yoco() {
    cat >"$folder/bin/yoco" <<END
#!/bin/bash
folder=$folder
echo \$\$ >"\$folder/pid.\$PMI_RANK"
freeze() {
    until [ "\$(cat "\$folder/results.jsonl" 2>/dev/null | wc -l)" -gt "\$1" ] &&
        [ -n "\$(find "\$folder/results.jsonl.checkpoint" -name 'edge-*.safetensors' \
            -newer "\$folder/results.jsonl")" ]; do
        sleep 0.01
    done
    kill -STOP \$\$
    touch "\$folder/frozen.\$1"
}
start=\${SLURM_RESTART_COUNT-0}
[ "\$PMI_RANK" != 2 ] || [ "\$start" -gt 1 ] || freeze "\$start" &
exec "$yoco" "\$@"
END
    chmod +x "$folder/bin/yoco"
}

# submit SCRIPT ARGUMENT...: prints the job's number.
submit() {
    sbatch --parsable --output="$folder/%j.log" "$@" --chunk 64 2>>"$folder/err"
}

# job_is JOB FIELD=VALUE
job_is() {
    scontrol show job "$1" | grep -q "\b$2\b"
}

# comes SECONDS COMMAND...: waits until it succeeds; without that the test ends here.
comes() {
    wait_until "$@" && return
    squeue --long
    sinfo --long -N
    tail -n 30 "$folder"/*.log "$cluster"/*.log
    fail "not within $1 s: ${*:2}"
    exit 1
}

# The node's daemon, its step and its ranks, at once.
kill_node_n2() {
    local step
    step=$(ps -o ppid= -p "$(cat "$folder/pid.2")")
    # shellcheck disable=SC2086
    kill -KILL "$(cat "$cluster/slurmd.n2.pid")" $step "$(cat "$folder/pid.2")" \
        "$(cat "$folder/pid.3")"
}

disturbed_batch() {
    local job
    job=$(submit --nodes=2 --ntasks-per-node=2 --cpus-per-task=1 "$scripts/many_nodes.sh" \
        "$folder/model" "$input" "$output" --documents "$folder/docs" --expect-ranks 4)
    comes 120 test -e "$folder/frozen.0"
    scancel --signal=USR1 "$job"
    kill -CONT "$(cat "$folder/pid.2")"
    comes 120 test -e "$folder/frozen.1"
    echo "stopped by SIGUSR1 and started again"
    kill_node_n2
    comes 60 job_is "$job" 'JobState=PENDING'
    start_node n2
    comes 180 job_is "$job" 'JobState=COMPLETED'
    job_is "$job" 'ExitCode=0:0' || fail "not exit code 0"
    job_is "$job" 'Restarts=2' || fail "not two restarts"
    cp "$folder/$job.log" "$folder/err"
    grep -q 'stopped as asked' "$folder/err" || fail "no word about the stop"
    grep -q 'exit code 75: back into the queue' "$folder/err" || fail "not requeued by the script"
    grep -Eq 'tokens are in .* already' "$folder/err" || fail "no checkpoint was used"
    same_lines "$output" "$folder/undisturbed"
    [ -z "$(ls -A "$output.checkpoint")" ] || fail "a checkpoint is left"
    [ ! -e "$output.requeues" ] || fail "a count of requeues is left"
}

# A bad line is an exit code that the job shows, and no reason for another try. Beside it, an array.
ends_of_jobs() {
    local bad array
    mkdir "$folder/parts"
    head -n 1 "$input" >"$folder/parts/a.jsonl"
    tail -n +2 "$input" >"$folder/parts/b.jsonl"
    completion bad '"prompt": "p", "n": 3' >"$folder/bad.jsonl"
    bad=$(submit --nodes=1 --ntasks-per-node=1 --cpus-per-task=1 "$scripts/one_node.sh" \
        "$folder/model" "$folder/bad.jsonl" "$folder/bad-results.jsonl")
    array=$(submit --array=0-1 --ntasks-per-node=1 --cpus-per-task=1 "$scripts/array.sh" \
        "$folder/model" "$folder/parts" "$folder/answers" --documents "$folder/docs")
    comes 60 job_is "$bad" 'JobState=FAILED'
    job_is "$bad" 'ExitCode=65:0' || fail "the job does not show exit code 65"
    comes 60 job_is "${array}_0" 'JobState=COMPLETED'
    comes 60 job_is "${array}_1" 'JobState=COMPLETED'
    cat "$folder"/answers/{a,b}.jsonl >"$folder/joined"
    same_lines "$folder/joined" "$folder/undisturbed"
}

# A sweep of runs with 1 and 4 ranks, each its own step of the allocation.
scaling() {
    local job
    job=$(sbatch --parsable --output="$folder/%j.log" --nodes=2 --ntasks-per-node=2 --cpus-per-task=1 \
        "$scripts/scale.sh" "$folder/model" "$folder/scaling" --ranks 1,4 --tokens 1K --runs 1 --steps 1)
    comes 120 job_is "$job" 'JobState=COMPLETED'
    [ "$(cut -d, -f6 "$folder/scaling/scale.csv" | tail -n +2 | xargs)" = '1 4' ] || fail "not 1 and 4 ranks"
}

long_jobs
write_yoco
comes 1 start_cluster
for part in disturbed_batch ends_of_jobs scaling; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
