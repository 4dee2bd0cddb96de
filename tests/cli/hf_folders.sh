#!/bin/bash
# hf_folders.sh: every command on a folder as Hugging Face has them, with tokenizer.json, for all
# kinds of self-decoder of flash-linear-attention, and for a SambaY model.
source "$(dirname "$0")/driver.sh"
source "$source/tests/engine/models.sh"
cat "$source"/docs/D*.md >"$folder/text"

# make_folder KIND: "$folder/KIND", with random weights, and a tokenizer of 1012 ids.
make_folder() {
    model=$folder/$1
    if [ "$1" = phi ]; then
        write_phi "$folder/shape.json" 1024
    else
        write_fla "$folder/shape.json" "$1" 1024
    fi
    succeed "$yoco" init --shape "$folder/shape.json" -o "$model" --seed 3
    cp "$source"/tests/tokenizer/hf/qwen/tokenizer{,_config}.json "$model"
    chmod u+w "$model"/*
}

# Lines of `yoco info`, and of its list of tensors.
fla_lines=('layers +2 times .*6 times|cross attention, 6 heads of 16 on 3')
fla_tensors=('model.self_layers.1.mlp.up_proj.weight 200 96' 'model.cross_layers.2.attn.q_norm.weight 16$')
phi_lines=('selective scan, 128 channels of 12 states' 'differential window attention over 48 tokens'
    'gated memory unit, 128 channels' 'K,V of a token +128 bytes in bf16')
phi_tensors=('model.layers.5.attn.Wqkv.weight 128 64' 'model.layers.0.attn.conv1d.weight 128 1 4$'
    'model.final_layernorm.bias 64$')

describe() {
    local line lines=("${fla_lines[@]}") tensors=("${fla_tensors[@]}")
    [ "$1" != phi ] || lines=("${phi_lines[@]}") tensors=("${phi_tensors[@]}")
    succeed "$yoco" info -m "$model"
    for line in "${lines[@]}" 'tokenizer +yes'; do
        holds "$line"
    done
    succeed "$yoco" info -m "$model" --tensors
    for line in "${tensors[@]}"; do
        holds "$line"
    done
    succeed "$yoco" plan -m "$model" --tokens 90K --ranks 3 --chunk 256
    holds 'shared K,V of the context'
    succeed "$yoco" plan -m "$model/config.json" --tokens 2000
    succeed "$yoco" info --models
    holds '^yoco +YOCOForCausalLM'
}

# answer RANKS OPTION...: of a document and two questions.
answer() {
    local ranks=$1 launcher=()
    shift
    [ "$ranks" = 1 ] || launcher=("$mpiexec" -n "$ranks")
    succeed "${launcher[@]}" "$yoco" run -m "$model" -q 'What is a rank?' -q 'And a chunk?' -n 8 \
        --threads 1 "$@"
    cp "$folder/out" "$folder/answer"
}

run_it() {
    answer 1 -f "$folder/text" --chunk 512
    cp "$folder/answer" "$folder/alone"
    answer 3 -f "$folder/text" --chunk 512
    cmp -s "$folder/answer" "$folder/alone" || fail "other answers on 3 ranks"
    succeed "$mpiexec" -n 2 "$yoco" context save -m "$model" -f "$folder/text" --chunk 512 \
        --threads 1 -o "$folder/context"
    answer 1 --context "$folder/context"
    cmp -s "$folder/answer" "$folder/alone" || fail "other answers from a saved context"
    rm -r "$folder/context"
}

# The id that an answer begins with ends it, once generation_config.json says so.
end_it() {
    local first
    answer 1 -p 'A ship' --json
    first=$("$json_tool" "$folder/answer" answers 0 ids 0)
    printf '{"eos_token_id": [1023, %s]}' "$first" >"$model/generation_config.json"
    answer 1 -p 'A ship' --json
    same "reason to end" "$("$json_tool" "$folder/answer" answers 0 finish_reason)" stop
    same "tokens" "$("$json_tool" "$folder/answer" answers 0 ids 0)" "$first"
    rm "$model/generation_config.json"
}

ask_many() {
    local i
    mkdir -p "$folder/docs"
    cp "$folder/text" "$folder/docs"
    for i in 1 2 3; do
        printf '{"custom_id":"%s","method":"POST","url":"/v1/completions","body":{%s}}\n' "$i" \
            '"prompt":"What is it?","max_tokens":4,"document":{"path":"text"}'
    done >"$folder/jobs"
    rm -f "$folder/results"
    succeed "$mpiexec" -n 2 "$yoco" batch -m "$model" -i "$folder/jobs" -o "$folder/results" \
        --documents "$folder/docs" --chunk 512 --threads 1
    same "answered jobs" "$(grep -c '"status_code": *200' "$folder/results")" 3
    echo '{"eos_token_id": 9}' >"$model/generation_config.json"
    expect 65 "made by another run: '' then, 'ends 9' now" "$yoco" batch -m "$model" -i "$folder/jobs" -o "$folder/results" \
        --documents "$folder/docs" --chunk 512 --threads 1
    rm "$model/generation_config.json"
    succeed "$yoco" eval -m "$model" --haystack "$folder/text" --chunk 256 --threads 1 \
        --length 512 --depths 2 --trials 1 --needles 2 -o "$folder/eval"
    same "lines of samples" "$(wc -l <"$folder/eval/samples.jsonl")" 7 # one of the run, and 6 documents
    rm -r "$folder/eval"
}

# No template is known for this family: one line says so, and --raw takes the messages as plain lines.
chat_it() {
    local model=$folder/swa
    local batch=("$yoco" batch -m "$model" -i "$folder/chats" -o "$folder/chatted" --overwrite --chunk 256 --threads 1)
    printf '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{%s}}\n' \
        '"messages":[{"role":"user","content":"Hello"}],"max_tokens":4,"temperature":0' >"$folder/chats"
    expect 65 'no chat template is known for model_type "yoco", .*--raw' "${batch[@]}"
    expect 65 'no chat template is known for model_type "yoco"' "${batch[@]}" --validate-only
    expect 65 'no chat template is known for model_type "yoco"' "$yoco" run -m "$model" -p x --chat
    expect 65 'no chat template is known for model_type "yoco"' \
        "$yoco" context save -m "$model" -p x --chat -o "$folder/context"
    expect 2 '--chat and --special-tokens exclude each other' \
        "$yoco" run -m "$model" -p x --chat --special-tokens
    succeed "${batch[@]}" --raw
    succeed "$yoco" run -m "$model" -p $'user: Hello\nassistant:' -n 4 --json --chunk 256 --threads 1
    same "a raw chat" "$("$json_tool" "$folder/chatted" response body choices 0 message content)" \
        "$("$json_tool" "$folder/out" answers 0 text)"
}

# A family with a template: the prompt has the ids of hf/o200k/expected.json's first chat, however it is asked.
template_it() {
    local model=$folder/chat n_chat=9 expected run batch
    write_phi "$folder/chat_shape.json" 1300
    succeed "$yoco" init --shape "$folder/chat_shape.json" -o "$model" --seed 3
    cp "$source"/tests/tokenizer/hf/o200k/tokenizer{,_config}.json "$model"
    run=("$yoco" run -m "$model" --chunk 256 --threads 1 --json -n 12)
    batch=("$yoco" batch -m "$model" -i "$folder/chats" -o "$folder/chatted" --overwrite --chunk 256 --threads 1)
    echo 1203 39 603 78 11 862 0 1206 1204 >"$folder/chat_ids"
    succeed "${run[@]}" --prompt-ids "$folder/chat_ids"
    expected=$("$json_tool" "$folder/out" answers 0 ids)
    succeed "${run[@]}" -p 'Hello, Alice!' --chat
    same "a chat's prompt" "$("$json_tool" "$folder/out" answers 0 prompt_tokens)" $n_chat
    same "a chat's answer" "$("$json_tool" "$folder/out" answers 0 ids)" "$expected"
    succeed "${run[@]}" -p 'Hello, ' -q 'Alice!' --chat
    expected=$("$json_tool" "$folder/out" answers 0 ids)
    succeed "$yoco" context save -m "$model" --chunk 256 --threads 1 -p 'Hello, ' --chat -o "$folder/context"
    succeed "${run[@]}" --context "$folder/context" -q 'Alice!' --chat
    same "a chat's answer on a saved context" "$("$json_tool" "$folder/out" answers 0 ids)" "$expected"
    rm -r "$folder/context"
    succeed "${run[@]}" -p 'Hello, Alice!' --chat
    expected=$("$json_tool" "$folder/out" answers 0 text)
    printf '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{%s}}\n' \
        '"messages":[{"role":"user","content":"Hello, Alice!"}],"max_tokens":12,"temperature":0' >"$folder/chats"
    succeed "${batch[@]}"
    same "a line's prompt" "$("$json_tool" "$folder/chatted" response body usage prompt_tokens)" $n_chat
    same "a line's answer" "$("$json_tool" "$folder/chatted" response body choices 0 message content)" "$expected"
}

# The template's <|end|> ends a chat's answer where no file says so, even where one names it for padding.
turn_end_it() {
    local model=$folder/chat end=1206 seed ids="" n run
    run=("$yoco" run -m "$model" --chunk 256 --threads 1 --json -n 100 --temperature 2)
    sed -i 's/"pad_token": "[^"]*"/"pad_token": "<|end|>"/' "$model/tokenizer_config.json"
    for ((seed = 1; seed < 500; seed++)); do # until the end is drawn, behind something and before something
        succeed "${run[@]}" --prompt-ids "$folder/chat_ids" --seed $seed
        ids=$("$json_tool" "$folder/out" answers 0 ids | tr -d '[] ')
        [[ $ids != *[0-9],$end,[0-9]* ]] || break
    done
    ids=${ids%%",$end,"*},$end
    n=$(tr ',' '\n' <<<"$ids" | wc -l)
    succeed "${run[@]}" -p 'Hello, Alice!' --chat --seed $seed
    same "a chat with an end" "$("$json_tool" "$folder/out" answers 0 ids | tr -d '[] ')" "$ids"
    same "its reason" "$("$json_tool" "$folder/out" answers 0 finish_reason)" stop
    sed "s/\"max_tokens\":12,\"temperature\":0/\"max_tokens\":100,\"temperature\":2,\"seed\":$seed/" -i "$folder/chats"
    succeed "$mpiexec" -n 2 "$yoco" batch -m "$model" -i "$folder/chats" -o "$folder/chatted" --overwrite --chunk 256 \
        --threads 1
    same "a line's end" "$("$json_tool" "$folder/chatted" response body choices 0 finish_reason)" stop
    same "a line's length" "$("$json_tool" "$folder/chatted" response body usage completion_tokens)" "$n"
}

refuse_it() {
    for command in run "context save -o $folder/context"; do
        # shellcheck disable=SC2086
        expect 2 'config.json: a config alone has no weights: give its folder' \
            "$yoco" $command -m "$model/config.json" --prompt-ids "$folder/ids"
    done
    expect 2 'params.json is of a model of another family' "$yoco" init \
        --shape "$model/config.json" -o "$folder/other" --overwrite
    echo '{"model_type": "mamba"}' >"$folder/other/config.json"
    expect 65 'config.json: model_type "mamba" is not supported; supported are: .*, yoco' \
        "$yoco" run -m "$folder/other" -p x
    expect 65 '"mamba" is not supported' "$yoco" plan -m "$folder/other" --tokens 1K
    expect 66 'model.gguf, weights in the GGUF format' "$yoco" run -m "$folder/gguf" -p x
}

# A tokenizer that is not supported: ids need none. What is text says why it cannot be.
ids_alone() {
    cp "$model/tokenizer.json" "$folder/kept.json"
    echo '{"model": {"type": "Unigram", "vocab": []}}' >"$model/tokenizer.json"
    echo '1 2 3' >"$folder/ids"
    succeed "$yoco" info -m "$model"
    holds 'tokenizer +none: token ids only: .*tokenizer.json: model: type "Unigram" is not supported'
    succeed "$yoco" run -m "$model" --prompt-ids "$folder/ids" -n 2 --threads 1
    grep -q 'warning: no text, ids only.*"Unigram" is not' "$folder/err" || fail "no warning"
    succeed "$yoco" context save -m "$model" --prompt-ids "$folder/ids" --threads 1 -o "$folder/context"
    rm -r "$folder/context"
    expect 65 '"Unigram" is not supported' "$yoco" run -m "$model" -p x
    expect 65 '"Unigram" is not supported' "$yoco" run -m "$model" --prompt-ids "$folder/ids" --stop x
    expect 65 '"Unigram" is not supported' "$yoco" run -m "$model" --prompt-ids "$folder/ids" -q x
    for name in tokenizer.json yoco_tokenizer.json; do
        printf 'version https://git-lfs.github.com/spec/v1\n' >"$model/tokenizer.json"
        [ $name = tokenizer.json ] || echo '{' >"$model/$name"
        succeed "$yoco" info -m "$model"
        holds "tokenizer +none: token ids only: .*/$name"
        succeed "$mpiexec" -n 2 "$yoco" run -m "$model" --prompt-ids "$folder/ids" -n 2 --threads 1
        grep -q "warning: no text, ids only.*/$name" "$folder/err" || fail "no warning"
        expect 65 ".*/$name" "$yoco" run -m "$model" -p x
    done
    rm "$model/yoco_tokenizer.json"
    mv "$folder/kept.json" "$model/tokenizer.json"
}

mkdir "$folder/other" "$folder/gguf"
touch "$folder/other/params.json" "$folder/gguf/model.gguf"
for kind in swa gated_retention gated_deltanet phi; do
    make_folder $kind
    describe $kind
    run_it
    end_it
    ask_many
done
model=$folder/gated_deltanet
chat_it
template_it
turn_end_it
ids_alone
refuse_it
[ $n_failed = 0 ]
