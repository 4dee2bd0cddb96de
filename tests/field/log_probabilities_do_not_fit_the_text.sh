#!/bin/bash
# log_probabilities_do_not_fit_the_text.sh: text[text_offset:] begins with the token, however the answer ended.
source "$(dirname "$0")/driver.sh"

n=0
for seed in 0 1; do
    job "hot-$seed" '"prompt":"Sea","max_tokens":60,"temperature":60,"seed":'$seed',"logprobs":1'
    for stop in '"e"' '["a ","\ufffd"," t"]' '["ing","the"]'; do
        job "stop-$((n += 1))" '"prompt":["Sea","The keeper wrote"],"max_tokens":30,"temperature":2,"seed":'$seed',"logprobs":2,"stop":'"$stop"
    done
done >"$folder/jobs"
succeed "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results" --threads 1
python3 - "$folder/results" <<'P' || fail "offsets are wrong"
import json, sys
wrong = stopped = odd = 0
for line in open(sys.argv[1]):
    for c in json.loads(line)["response"]["body"]["choices"]:
        l, text = c["logprobs"], c["text"]
        assert len({len(l[k]) for k in l}) == 1 and l["text_offset"] == sorted(l["text_offset"])
        stopped += c["finish_reason"] == "stop"
        for token, offset in zip(l["tokens"], l["text_offset"]):
            if token.startswith("bytes:"):
                odd += 1
                wrong += offset > len(text)
            else:
                wrong += text[offset:offset + len(token)] != token
        if not any(t.startswith("bytes:") for t in l["tokens"]):
            wrong += "".join(l["tokens"]) != text
print(wrong, "wrong,", stopped, "stopped,", odd, "tokens that are no UTF-8")
sys.exit(wrong > 0 or stopped == 0 or odd == 0)
P
finish
