#!/bin/bash
# sbatch [OPTION]... scale.sh MODEL OUT [OPTION of yoco scale]...
# Strong and weak scaling on an allocation, prefill and decode: the sweep of the options given, or else
# the two below. It goes on where an earlier job with the same OUT stopped.
#SBATCH --job-name=yoco-scale
#SBATCH --output=%x-%j.log
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --mem=0
#SBATCH --time=04:00:00
set -eu
if [ $# -lt 2 ]; then
    echo "usage: sbatch [OPTION]... scale.sh MODEL OUT [OPTION of yoco scale]..." >&2
    exit 2
fi
# srun does not take this over from sbatch.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

# yoco scale is one process; it starts the ranks of each run.
sweep() {
    yoco scale -m "$model" -o "$out" --launcher 'srun --mpi=pmi2 -n %P' --threads "$SRUN_CPUS_PER_TASK" "$@"
}
model=$1 out=$2
shift 2
if [ $# -gt 0 ]; then
    sweep "$@"
else
    sweep --ranks 1,2,4,8 --tokens 64K,256K --branches 1,16
    sweep --ranks 1,2,4,8 --tokens-per-rank 32K
fi
