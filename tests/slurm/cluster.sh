# shellcheck shell=bash disable=SC2154
# Sourced: a Slurm of two nodes, n1 and n2, with two processors each, on this machine. Everything it
# keeps is below "$cluster", which the caller sets. Its processes are ended by stop_cluster.

# enter_namespaces COMMAND...: runs it, this script again, in namespaces of its own where the kernel
# permits: nothing else hears its ports, and with its first process all others end. Slurm looks up no
# names where there is only the loopback address, so that it gets a second one.
enter_namespaces() {
    local unshare=(unshare --net --pid --fork --kill-child --mount-proc)
    "${unshare[@]}" true 2>/dev/null || return 0
    exec "${unshare[@]}" bash -c 'ip link set lo up; ip address add 192.0.2.1/32 dev lo; exec "$@"' \
        bash "$@"
}

# write_conf: slurm.conf. Requeued jobs wait for cred_expire seconds.
write_conf() {
    local port=$((20000 + $$ % 10000))
    cat >"$cluster/slurm.conf" <<END
ClusterName=yoco
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$cluster/munge.socket,cred_expire=5
MpiDefault=pmi2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MailProg=/bin/true
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool.%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.%n.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/slurmd.%n.log
NodeName=n[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=2
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

start_munge() {
    (umask 077 && head -c 128 /dev/urandom >"$cluster/munge.key")
    munged --force --key-file="$cluster/munge.key" --socket="$cluster/munge.socket" \
        --pid-file="$cluster/munge.pid" --seed-file="$cluster/munge.seed" \
        --log-file="$cluster/munge.log"
}

# start_node NAME
start_node() {
    slurmd -f "$cluster/slurm.conf" -N "$1"
}

start_cluster() {
    export SLURM_CONF=$cluster/slurm.conf
    mkdir -p "$cluster/state" "$cluster/spool.n1" "$cluster/spool.n2"
    write_conf
    start_munge && slurmctld -f "$cluster/slurm.conf" && start_node n1 && start_node n2 || return 1
    wait_until 30 nodes_idle
}

nodes_idle() {
    [ "$(sinfo -h -N -o %T 2>/dev/null | grep -c '^idle$')" = 2 ]
}

# wait_until SECONDS COMMAND...: until it succeeds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

no_jobs() {
    [ -z "$(squeue -h 2>/dev/null)" ]
}

# Ends the jobs, then the daemons.
stop_cluster() {
    local file
    scancel --user="$(id -un)" 2>/dev/null
    wait_until 15 no_jobs
    for file in "$cluster"/*.pid; do
        [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null
    done
}
