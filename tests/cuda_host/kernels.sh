#!/bin/bash
# kernels.sh SOURCE TRACE: every kernel of SOURCE, and every instance of a template that is launched,
# stands in TRACE, which the tests before wrote.
set -euo pipefail
source=$1 trace=$2
[ -s "$trace" ] || { echo "$trace is empty or missing: no test ran a kernel"; exit 1; }

# Names after __global__, whatever stands between.
names=$(cat "$source"/*.cu | tr '\n' ' ' | sed 's/__launch_bounds__([^)]*)//g' |
    grep -oE '__global__ +void +[a-z0-9_]+' | sed 's/.* //')
# launch_x<32>(...): the launching function and the argument.
instances=$(grep -ohE '\blaunch_[a-z0-9_]+<[0-9]+>\(' "$source"/*.cu | tr -d '(>' | tr '<' ' ')

n_missing=0
for name in $names; do
    grep -qE "^\(?${name}[^a-z0-9_]" "$trace" || {
        echo "kernel $name was not executed"
        n_missing=$((n_missing + 1))
    }
done
while read -r function argument; do
    grep -qE "\b$function\(.*\[with int [A-Z_]+ = ${argument}[];]" "$trace" || {
        echo "$function<$argument> was not executed"
        n_missing=$((n_missing + 1))
    }
done <<<"$instances"
[ $n_missing = 0 ] || exit 1
echo "$(wc -w <<<"$names") kernels and $(wc -l <<<"$instances") instances were executed"
