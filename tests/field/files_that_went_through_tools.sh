#!/bin/bash
# files_that_went_through_tools.sh: blank lines, other line ends and other spellings of the same JSON are no change.
source "$(dirname "$0")/driver.sh"

# unchanged WHAT: everything is answered already.
unchanged() {
    succeed "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results"
    grep -q '5 jobs are in .* already' "$folder/err" || fail "computed again: $1"
}

write_jobs "$folder/jobs"
succeed "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results"
cp "$folder/jobs" "$folder/jobs.good"
cp "$folder/results" "$folder/results.good"
for edit in 's/$/\n/' 's/$/\r/' '1s/^/\n \t\r\n/' '$s/$/\n\n/' '$s/$/\n  /' '3s/$/\n\r/' 's/:/ : /g'; do
    for file in jobs results; do
        [[ $file/$edit != results/*' : '* ]] || continue # an id holds no colon, but a fingerprint may
        cp "$folder/jobs.good" "$folder/jobs"
        cp "$folder/results.good" "$folder/results"
        sed -i "$edit" "$folder/$file"
        unchanged "$file, sed '$edit'"
    done
done
cp "$folder/results.good" "$folder/results"
python3 - "$folder/results" <<'P'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
open(sys.argv[1], "w").write("\n\n".join(json.dumps(l, sort_keys=True) for l in lines[::-1]) + "\n")
P
unchanged "results sorted and printed anew"
cp "$folder/results.good" "$folder/results"
for edit in 's/"temperature":0/"temperature":0.0/' 's/"temperature":0/"temperature":-0e5/' 's/"max_tokens":4/"max_tokens":4.0/' \
    's/"max_tokens":4/"max_tokens":4e0,"seed":null,"n":1,"stop":[],"user":"me"/' 's/"prompt":\("[^"]*"\)/"prompt":[\1]/' \
    's/Lantern/\\u004cantern/'; do
    sed "$edit" "$folder/jobs.good" >"$folder/jobs"
    unchanged "sed '$edit'"
done
sed 's/"temperature":0/"temperature":0.5/' "$folder/jobs.good" >"$folder/jobs"
expect 65 'has changed since' "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results"

# A Ctrl-Z at the end of the jobs.
{ cat "$folder/jobs.good"; printf '\032'; } >"$folder/jobs"
unchanged "a Ctrl-Z at the end"

# Samples, also for the report alone.
for i in $(seq 300); do echo "Card $i of the shelf."; done >"$folder/hay"
eval=("$yoco" eval -m "$demo" --task needle --trials 1 --depths 2 --length 512 --haystack "$folder/hay" -o "$folder/e" --threads 1)
succeed "${eval[@]}"
sed -i 's/$/\r\n/' "$folder/e/samples.jsonl"
succeed "${eval[@]}" --resume
grep -q '2 of them done already' "$folder/err" || fail "samples are computed again"
succeed "$yoco" eval report "$folder/e"

# Rows of a sweep.
sweep=("$yoco" scale -m "$source/configs/shapes/yoco-demo-window.json" -o "$folder/s" --predict --hardware h100-infiniband --ranks 1
    --tokens 4K)
succeed "${sweep[@]}"
n=$(grep -c . "$folder/s/scale.jsonl")
sed -i 's/$/\r\n/' "$folder/s/scale.jsonl"
succeed "${sweep[@]}"
same "rows" "$(grep -c '"key"' "$folder/s/scale.jsonl")" "$n"
finish
