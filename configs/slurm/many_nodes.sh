#!/bin/bash
# sbatch --nodes=N many_nodes.sh MODEL JOBS RESULTS [OPTION]...
# A batch on whole nodes, whose ranks work on each long document together. All files lie where every
# node sees them. The options are those of yoco batch, such as --documents DIR.
#SBATCH --job-name=yoco
#SBATCH --output=%x-%j.log
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --mem=0
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@300
#SBATCH --time=24:00:00
set -eu
# Slurm runs a copy of this script; what it sources lies beside the original.
script=$(scontrol show job "$SLURM_JOB_ID" | sed -n '/^ *Command=/{s///;s/ .*//;p;q}')
# shellcheck source=configs/slurm/common.sh
source "${script%/*}/common.sh"
run_batch "$@"
