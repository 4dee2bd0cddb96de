#!/bin/bash
# Options that can have no effect, and work that nobody can use, are refused.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

init_model plain 8 100 100
model=$folder/plain
echo 1 2 3 >"$folder/ids"
expect 2 "--stop is text" "$yoco" run -m "$model" --prompt-ids "$folder/ids" -n 1 --stop x
expect 2 "--special-tokens is about text" "$yoco" run -m "$model" --prompt-ids "$folder/ids" -n 1 --special-tokens
expect 2 "--special-tokens is about text" "$yoco" context save -m "$model" --prompt-ids "$folder/ids" \
    --special-tokens -o "$folder/c"
expect 2 "--stop is text" "$mpiexec" -n 2 "$yoco" run -m "$model" --prompt-ids "$folder/ids" -n 1 --stop x

succeed "$yoco" context save -m "$demo" --prompt-ids "$folder/ids" -o "$folder/context"
expect 2 "--no-bos is about a text" "$yoco" run -m "$demo" --context "$folder/context" -q hi -n 1 --no-bos
expect 2 "--no-bos is about a text" "$yoco" run -m "$demo" --prompt-ids "$folder/ids" -n 1 --no-bos
expect 2 "--no-bos is about a text" "$yoco" context save -m "$demo" --prompt-ids "$folder/ids" -o "$folder/c" --no-bos
succeed "$yoco" run -m "$demo" -p hi -n 1 --no-bos

save() {
    seq "$1" | sed 's/.*/7/' >"$folder/many"
    shift
    "$@" "$yoco" context save -m "$model" --prompt-ids "$folder/many" -o "$folder/full"
}
save 100 expect 65 "has 100 tokens.* leaves no room for a question"
save 99 expect 65 "has 99 tokens.* leaves no room for a question"
save 98 succeed
succeed "$yoco" run -m "$model" --context "$folder/full" --question-ids <(echo 5) -n 1
finish
