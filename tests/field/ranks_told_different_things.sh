#!/bin/bash
# ranks_told_different_things.sh: one rank's command line is not the others'. The job ends at the
# start, with exit code 2 and the option, and not at the deadline.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"

write_log "$folder/log.txt"
write_jobs "$folder/jobs.jsonl"
run=(run -m "$demo" -p hi -n 1)

# differs PATTERN OPTION...: on one rank, be it the first or another one.
differs() {
    local pattern=$1
    shift
    expect 2 "$pattern" "$mpiexec" -n 1 "$yoco" "${run[@]}" : -n 1 "$yoco" "${run[@]}" "$@"
    expect 2 "$pattern" "$mpiexec" -n 1 "$yoco" "${run[@]}" "$@" : -n 2 "$yoco" "${run[@]}"
}

differs '--chunk is (64|not given) here, but (64|not given) on rank 0' --chunk 64
differs '--dump ' --dump "$folder/dump"
differs '--checkpoint ' --checkpoint "$folder/checkpoint"
differs '--transport ' --transport ucx
differs '--dtype ' --dtype f32
differs '--temperature ' --temperature 0.5
differs '--seed ' --seed 4
differs '--stop ' --stop x
differs '--max-tokens ' --max-tokens 3
differs '--question ' -q x
differs '--json ' --json
differs '--deadline ' --deadline 20
differs '--expect-ranks ' --expect-ranks 7
for path in dump checkpoint; do
    [ ! -e "$folder/$path" ] || fail "$path was written"
done

expect 2 '--stop is b here, but a on rank 0' "$mpiexec" -n 1 "$yoco" "${run[@]}" --stop a : \
    -n 1 "$yoco" "${run[@]}" --stop b
expect 2 '--metrics ' "$mpiexec" \
    -n 1 "$yoco" batch -m "$demo" -i "$folder/jobs.jsonl" -o "$folder/results" : \
    -n 1 "$yoco" batch -m "$demo" -i "$folder/jobs.jsonl" -o "$folder/results" --metrics "$folder/m"
expect 2 '--trials ' "$mpiexec" \
    -n 1 "$yoco" eval -m "$demo" -o "$folder/eval" --task needle : \
    -n 1 "$yoco" eval -m "$demo" -o "$folder/eval" --task needle --trials 1
expect 2 '--tokens ' "$mpiexec" -n 1 "$yoco" bench -m "$demo" --tokens 100 : \
    -n 1 "$yoco" bench -m "$demo" --tokens 200
expect 2 '--dir ' "$mpiexec" -n 1 "$yoco" doctor : -n 1 "$yoco" doctor --dir "$folder"
expect 2 'the command is bench here, but run on rank 0' "$mpiexec" -n 1 "$yoco" "${run[@]}" : \
    -n 1 "$yoco" bench -m "$demo"
expect 2 'the command is run here, but info .needs no ranks. on rank 0' "$mpiexec" -n 1 "$yoco" info -m "$demo" : \
    -n 1 "$yoco" "${run[@]}"

sed 's/yoco 0\(\.[0-9.]* (%s)\)/yoco 7\1/' "$yoco" >"$folder/newer"
chmod +x "$folder/newer"
expect 2 'the program is yoco 7.* here, but yoco 0' "$mpiexec" -n 1 "$yoco" "${run[@]}" : \
    -n 1 "$folder/newer" "${run[@]}"

# What may differ, and what is the same in other words.
succeed "$mpiexec" -n 1 "$yoco" "${run[@]}" --threads 1 --chunk 2K : \
    -n 1 "$yoco" "${run[@]}" --threads 2 --chunk 2048

finish
