#!/bin/bash
# sbatch --array=0-15%4 array.sh MODEL FOLDER RESULTS [OPTION]...
# An array of documents: task number i of the array answers the i-th file of jobs in FOLDER, *.jsonl
# in the order of names from 0, into a file of the same name in the folder RESULTS.
#SBATCH --job-name=yoco
#SBATCH --output=%x-%A_%a.log
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@300
#SBATCH --time=24:00:00
set -eu
# Slurm runs a copy of this script; what it sources lies beside the original.
script=$(scontrol show job "$SLURM_JOB_ID" | sed -n '/^ *Command=/{s///;s/ .*//;p;q}')
# shellcheck source=configs/slurm/common.sh
source "${script%/*}/common.sh"

files=("$2"/*.jsonl)
jobs=${files[$SLURM_ARRAY_TASK_ID]-}
if [ ! -f "$jobs" ]; then
    echo "$2 has no file of jobs number $SLURM_ARRAY_TASK_ID (*.jsonl, from 0)" >&2
    exit 66
fi
mkdir -p "$3"
run_batch "$1" "$jobs" "$3/${jobs##*/}" "${@:4}"
