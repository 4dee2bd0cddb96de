#!/bin/bash
# chat_fields_that_ask_for_nothing.sh: what clients send unasked passes at the value that changes nothing, and is refused
# by its name at any other; docs/BATCH.md names every field.
source "$(dirname "$0")/driver.sh"

# chat FIELDS: one line.
chat() {
    printf '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"max_tokens":1,%s}}\n' "$1" >"$folder/jobs"
}

messages='"messages":[{"role":"user","content":"Hello"}]'
for passes in '"response_format":{"type":"text"}' '"service_tier":"auto"' '"service_tier":"default"' '"tool_choice":"none"' \
    '"tool_choice":"auto","tools":[]' '"parallel_tool_calls":false' '"parallel_tool_calls":true' '"functions":[]' \
    '"function_call":"none"' '"modalities":["text"]' '"audio":null' '"prediction":null' '"reasoning_effort":null' \
    '"verbosity":"medium"' '"stream":false,"stream_options":{"include_usage":true}' '"safety_identifier":"x"' \
    '"prompt_cache_key":"x"' '"logit_bias":{}' '"user":"u"' '"store":false' '"web_search_options":null' '"n":1.0' \
    '"min_p":0.0' '"stop_token_ids":[]' '"ignore_eos":false'; do
    chat "$messages,$passes"
    succeed "$yoco" batch -m "$demo" -i "$folder/jobs" --validate-only
done
for refused in '"response_format":{"type":"json_object"}' '"service_tier":"flex"' '"tool_choice":"required"' \
    '"functions":[{"name":"f"}]' '"modalities":["text","audio"]' '"audio":{}' '"prediction":{}' '"reasoning_effort":"high"' \
    '"verbosity":"low"' '"web_search_options":{}' '"min_p":0.1' '"ignore_eos":true' '"stop_token_ids":[5]' '"n":2'; do
    chat "$messages,$refused"
    name=${refused%%:*}
    name=${name//\"/}
    expect 65 "body.$name " "$yoco" batch -m "$demo" -i "$folder/jobs" --validate-only
    grep -q "$name" "$source/docs/BATCH.md" || fail "docs/BATCH.md does not name $name"
done

# Content as a list of one part is that part.
chat "$messages"
succeed "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/one"
chat '"messages":[{"role":"user","content":[{"type":"text","text":"Hello"}],"refusal":null,"annotations":[],"tool_calls":[]}]'
succeed "$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/list"
cmp -s "$folder/one" "$folder/list" || fail "another answer to a list of one part"
for content in '[]' '[{"type":"text"}]' '[{"type":"image_url","image_url":{"url":"x"}}]' '5' 'null' \
    '[{"type":"text","text":"a"},{"type":"text","text":"b"}]'; do
    chat '"messages":[{"role":"user","content":'"$content"'}]'
    expect 65 'body.messages\[0\] content' "$yoco" batch -m "$demo" -i "$folder/jobs" --validate-only
done
job a '"prompt":"p","suffix":"","best_of":1' >"$folder/jobs"
succeed "$yoco" batch -m "$demo" -i "$folder/jobs" --validate-only
job a '"prompt":"p","suffix":"s"' >"$folder/jobs"
expect 65 'body.suffix ' "$yoco" batch -m "$demo" -i "$folder/jobs" --validate-only
finish
