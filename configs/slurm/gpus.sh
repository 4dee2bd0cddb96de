#!/bin/bash
# sbatch --nodes=N gpus.sh MODEL JOBS RESULTS [OPTION]...
# A batch on nodes with GPUs, one rank for each GPU, which is the only one that it sees. Needs a yoco
# built with CUDA (docs/GPU.md).
#SBATCH --job-name=yoco
#SBATCH --output=%x-%j.log
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
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
run_batch "$@" --backend cuda
