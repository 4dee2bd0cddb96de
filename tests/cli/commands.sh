#!/bin/bash
# commands.sh: version, help, init, info, plan.
source "$(dirname "$0")/driver.sh"

help_and_version() {
    local command heading option
    succeed "$yoco" --version
    holds '^yoco [0-9]+\.[0-9]+\.[0-9]+$'
    succeed "$yoco" --help
    for command in run batch context eval plan info bench scale init doctor; do
        holds "^  $command "
    done
    for command in run batch eval plan info bench scale init doctor; do
        succeed "$yoco" $command --help
        for heading in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS'; do
            holds "^$heading$"
        done
        [ -s "$folder/err" ] && fail "$command --help writes to stderr"
        awk 'length > 100 { exit 1 }' "$folder/out" || fail "$command --help has long lines"
    done
    for command in run batch "context save" "context load" eval bench; do
        succeed "$yoco" $command --help
        for option in dtype backend isa threads transport expect-ranks deadline hang-dir; do
            holds "^    --$option "
        done
    done
    "$yoco" >"$folder/out" 2>"$folder/err"
    same "exit code without a command" $? 2
    grep -q '^usage: yoco COMMAND' "$folder/err" || fail "no usage on stderr"
}

# The bytes of the data of a safetensors file.
data_bytes() {
    local size header
    size=$(wc -c <"$1")
    header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    echo $((size - 8 - header))
}

init_and_info() {
    local kind shape
    for kind in window retention; do
        shape=$source/configs/shapes/yoco-demo-$kind.json
        succeed "$yoco" init --shape "$shape" -o "$folder/$kind"
        succeed "$yoco" info -m "$folder/$kind"
        holds 'dim +256$'
        holds 'layers +4 times .*4 heads of 64, hidden 704$'
        holds ' 4 times cross attention, 4 heads of 64 on 2, hidden 704$'
        holds 'K,V of a token +512 bytes in bf16, 1024 in f32'
        holds 'tokenizer +none'
        holds "^parameters +$(($(data_bytes "$folder/$kind/model.safetensors") / 2)) \(BF16\)$"
    done
    holds 'gated retention, 4 heads of 64'
    succeed "$yoco" info -m "$folder/window"
    holds 'window attention over 256 tokens, 4 heads of 64'
    add_tokenizer "$folder/window"
    succeed "$yoco" info -m "$folder/window"
    holds 'tokenizer +yes'

    succeed "$yoco" info -m "$source/configs/shapes/yoco-160m-window.json" # has no folder
    succeed "$yoco" info --devices
    holds '^cpu +0  (portable|avx2|avx512|avx512_bf16)$'
    holds '^reference +0  '

    write_params "$folder/tied.json" 16 50 100
    sed -i 's/{/{"share_input_output_embed": true, /' "$folder/tied.json"
    succeed "$yoco" init --shape "$folder/tied.json" -o "$folder/tied" --dtype f32
    succeed "$yoco" info -m "$folder/tied"
    holds "^parameters +$(($(data_bytes "$folder/tied/model.safetensors") / 4)) \(F32\)$"
    holds 'tied to the output'
    succeed "$yoco" info --tensors -m "$folder/tied.json"
    holds '^layer_norm.weight [0-9]+$'
    same "elements of all tensors" "$(awk '{ n += $2 * ($3 ? $3 : 1) } END { print n }' "$folder/out")" \
        $(($(data_bytes "$folder/tied/model.safetensors") / 4))
}

seeds() {
    write_params "$folder/seed.json" 16 50 100
    succeed "$yoco" init --shape "$folder/seed.json" -o "$folder/a" --seed 1
    succeed "$yoco" init --shape "$folder/seed.json" -o "$folder/b" --seed 1
    succeed "$yoco" init --shape "$folder/seed.json" -o "$folder/c" --seed 2
    cmp -s "$folder/a/model.safetensors" "$folder/b/model.safetensors" ||
        fail "the same seed gives other weights"
    cmp -s "$folder/a/model.safetensors" "$folder/c/model.safetensors" &&
        fail "another seed gives the same weights"
}

plan() {
    local shape=$source/configs/shapes/yoco-3b-window.json
    # A short model's chunk is that of the contexts saved before: up to a multiple of 256.
    succeed "$yoco" plan -m "$source/tests/reference/swa-tiny/params.json" --tokens 900
    holds '^900 tokens in 1 chunks of 1280 on 1 ranks'
    succeed "$yoco" plan -m "$shape" --backend cpu --tokens 1M --ranks 64 --branches 64 \
        --device-memory 80G
    holds '^1048576 tokens in 512 chunks of 2048 on 64 ranks, 64 branches'
    holds '^ranks busy in prefill: 100.0 %$'
    holds '^rank 1 and later$'
    holds '^fits: '
    succeed "$yoco" plan -m "$shape" --tokens 1M --device-memory 8G
    holds '^DOES NOT FIT: .* GiB of 8.00 GiB'
    holds 'shared K,V of the context +4096.0 MiB'
    succeed "$yoco" plan -m "$shape" --tokens 3000 --ranks 8
    holds '6 ranks have no chunk'
    grep -q 'fit' "$folder/out" -i && fail "a verdict without --device-memory"
    succeed "$yoco" plan -m "$source/configs/shapes/yoco-3b-window.json" --tokens 1M --ranks 64 --time \
        --hardware h100-infiniband --target 0.2
    holds 'predicted on h100-infiniband .*rates of data sheets'
    holds 'prefill is limited by +compute$'
    holds '^for a prefill in 0.2 s: 64 ranks, --chunk [0-9]+: prefill'
    succeed "$yoco" plan -m "$source/configs/shapes/yoco-3b-window.json" --tokens 1M --compare
    holds '4096 bytes, a Transformer of this shape: 106496 bytes \(26 times\)'
    holds '^  1048576 +4\.00 .* 104\.00 '
    succeed "$yoco" plan -m "$folder/window" --tokens 0
    succeed "$yoco" plan -m "$shape" --tokens 1M --chunk 9223372036854775807
    holds 'in 1 chunks'
}

# spin_count SETTING...: GOMP_SPINCOUNT of a run that waits for its prompt.
spin_count() {
    mkfifo "$folder/prompt"
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT "$@" "$yoco" run -m "$folder/window" -f "$folder/prompt" 2>"$folder/err" &
    exec 3>"$folder/prompt"
    tr '\0' '\n' <"/proc/$!/environ" | sed -n 's/^GOMP_SPINCOUNT=//p'
    exec 3>&-
    wait $!
    rm "$folder/prompt"
}

spins_shortly() {
    same "spin count" "$(spin_count A=1)" 1000
    same "the user's" "$(spin_count GOMP_SPINCOUNT=7)" 7
    same "beside a policy" "$(spin_count OMP_WAIT_POLICY=passive)" ""
}

for part in help_and_version init_and_info seeds plan spins_shortly; do
    $part
    echo "done: $part"
done
[ $n_failed = 0 ]
