#!/bin/bash
# check_style.sh BUILD: formatting, file length, and clang-tidy over the C files, with the compile
# commands of the build folder BUILD, which must have been built by clang or gcc before.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/check_style.sh BUILD}
max_lines=600

if [ ! -f "$build/compile_commands.json" ]; then
    echo "$build/compile_commands.json is missing: configure that build first, for instance with" \
        "cmake --preset dev"
    exit 1
fi
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cu' '*.cuh' '*.cpp')
if [ ${#files[@]} = 0 ]; then
    echo "no source files found: not a git checkout?"
    exit 1
fi

failed=0
clang-format --dry-run -Werror "${files[@]}" || failed=1

for file in "${files[@]}"; do
    n_lines=$(wc -l <"$file")
    if [ "$n_lines" -gt $max_lines ]; then
        echo "$file: $n_lines lines, more than $max_lines: can one sentence say what it does?"
        failed=1
    fi
done

# One process per file: the analyzer's va_list check carries its state over to the next file. Only
# files that the build compiles: others may need options that nobody knows here.
sed -n 's|^ *"file": "\(.*\.c\)",*$|\1|p' "$build/compile_commands.json" | sort -u |
    xargs -r -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet 2> >(grep -v 'warnings generated' >&2) ||
    failed=1

[ $failed = 0 ] || exit 1
echo "style of ${#files[@]} files is fine"
