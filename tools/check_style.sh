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

# One process per file, and of a file that is compiled several times the last way only: the
# analyzer's va_list check carries its state over to what comes next. Only files that the build
# compiles: others may need options that nobody knows here.
commands=$(mktemp -d)
trap 'rm -rf "$commands"' EXIT
python3 - "$build/compile_commands.json" "$commands/compile_commands.json" <<'EOF'
import json, sys
entries = {entry["file"]: entry for entry in json.load(open(sys.argv[1]))}
json.dump(list(entries.values()), open(sys.argv[2], "w"), indent=0)
EOF
sed -n 's|^ *"file": "\(.*\.c\)",*$|\1|p' "$commands/compile_commands.json" | sort -u |
    xargs -r -P "$(nproc)" -n 1 clang-tidy -p "$commands" --quiet 2> >(grep -v 'warnings generated' >&2) ||
    failed=1

[ $failed = 0 ] || exit 1
echo "style of ${#files[@]} files is fine"
