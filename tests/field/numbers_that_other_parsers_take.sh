#!/bin/bash
# numbers_that_other_parsers_take.sh: 3.0 is 3, a seed has 64 bits, and what cannot be is refused by its field, with the
# line's custom_id.
source "$(dirname "$0")/driver.sh"

# takes FIELDS: a job with them is answered.
takes() {
    job a '"prompt":"p",'"$1" >"$folder/jobs"
    succeed "$yoco" batch -m "$demo" -i "$folder/jobs" --validate-only
}

# refuses FIELD FIELDS: a job with them gets a record that names the field and the job.
refuses() {
    job a '"prompt":"p",'"$2" >"$folder/jobs"
    rm -f "$folder/results"
    expect 65 ":1: $1 " "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results"
    grep -q '"custom_id":"a".*"status_code":400.*"param":"'"$1"'"' "$folder/results" || fail "no record of $2: $(cat "$folder/results")"
}

takes '"max_tokens":3.0'
takes '"max_tokens":3e0,"logprobs":2.0,"top_k":5E+0,"n":1.0'
takes '"seed":18446744073709551615'
takes '"seed":9223372036854775808'
takes '"seed":1e19'
takes '"seed":-1.0'
takes '"temperature":0.1e1,"top_p":10e-1,"presence_penalty":-0.0,"metadata":{"big":1e400,"bigger":'"$(printf '9%.0s' {1..400})"'}'
refuses body.max_tokens '"max_tokens":2.5'
refuses body.max_tokens '"max_tokens":18446744073709551615'
refuses body.max_tokens '"max_tokens":1e400'
refuses body.max_tokens '"max_tokens":'"$(printf '9%.0s' {1..400})"
refuses body.temperature '"temperature":1e400'
refuses body.seed '"seed":18446744073709551616'
refuses body.seed '"seed":-9223372036854775809'
refuses body.seed '"seed":0.5'
refuses body.seed '"seed":"5"'
refuses body.max_tokens '"max_tokens":1,"max_tokens":1'
refuses body.metadata '"metadata":'"$(printf '[%.0s' {1..5000})$(printf ']%.0s' {1..5000})"
refuses body.stop '"stop":"a\u0000b"'
refuses custom_id '"stop":"x"},"custom_id":"a","y":{'

# The seed that `yoco run` takes gives its answer.
job a '"prompt":"The keeper","max_tokens":6,"temperature":1,"seed":18446744073709551615' >"$folder/jobs"
succeed "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/big"
succeed "$yoco" run -m "$demo" -p "The keeper" -n 6 --temperature 1 --seed 18446744073709551615
python3 - "$folder/big" "$folder/out" <<'P' || fail "another answer than that of yoco run"
import json, sys
text = json.loads(open(sys.argv[1]).readline())["response"]["body"]["choices"][0]["text"]
sys.exit(text.strip() not in open(sys.argv[2]).read())
P

# The other files of JSON.
copy_model "$folder/model"
sed -E 's/: ([0-9]+)([,}]|$)/: \1.0\2/' "$demo/params.json" >"$folder/model/params.json"
grep -q '\.0' "$folder/model/params.json" || fail "params.json is as it was"
sed -E 's/: ([0-9]+)/: \1e0/g' "$demo/yoco_tokenizer.json" >"$folder/model/yoco_tokenizer.json"
succeed "$yoco" run -m "$folder/model" -p "The keeper" -n 2
sed -E 's/("dim": )[0-9]+/\164.5/' "$demo/params.json" >"$folder/model/params.json"
expect 65 'dim' "$yoco" info -m "$folder/model"
sed -E 's/("dim": )[0-9]+/\11e400/' "$demo/params.json" >"$folder/model/params.json"
expect 65 'dim' "$yoco" info -m "$folder/model"
sed -E 's/("dim": )[0-9]+/\199999999999999999999/' "$demo/params.json" >"$folder/model/params.json"
expect 65 'dim' "$yoco" info -m "$folder/model"
write_log "$folder/log.txt"
succeed "$yoco" context save -m "$demo" -f "$folder/log.txt" --chunk 64 -o "$folder/context"
sed -i -E 's/: ([0-9]+)(,?)$/: \1.0\2/' "$folder/context/context.json" 2>/dev/null || sed -i -E 's/: ([0-9]+)(,?)$/: \1.0\2/' "$folder/context/"*.json
succeed "$yoco" context verify "$folder/context" -m "$demo"
finish
