#!/bin/bash
# gpu_sass.sh [--update] FILE...: counts machine instructions of every kernel for sm_90 and sm_90a in FILEs (a
# build's kernels/cuda/libyoco_kernels_cuda.a, or objects) and holds them against tests/cuda_host/sass.txt. Exit
# code 1 where a figure rose; --update writes the file, for a commit that says why. Figures are those
# of one version of nvcc, which the file names: with another one they are printed only.
#
# Columns: instructions; global loads; loads by generic addresses, slower and not cached; copies to
# shared memory (cp.async); matrix products, of a warp or a warpgroup; conversions one by one (F2F); accesses to local memory
# (spills, arrays); calls inside loops (64-bit divisions, slow paths); in the loop of the most
# products or sums, loads before the first of these: what can be in flight.
# Needs cuobjdump and nvdisasm: of the toolkit, or pip's nvidia-cuda-cuobjdump, nvidia-cuda-nvdisasm.
set -euo pipefail
cd "$(dirname "$0")/.."
update=no
[ "${1:-}" != --update ] || { update=yes && shift; }
[ $# -ge 1 ] || { echo "usage: tools/gpu_sass.sh [--update] FILE..." && exit 2; }
files=("$@")
table=tests/cuda_host/sass.txt
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
PATH=$PATH:$(dirname "$nvcc")
for program in cuobjdump nvdisasm; do
    command -v $program >/dev/null ||
        { echo "$program not found: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm, and put it into PATH" && exit 2; }
done
version=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')

count() {
    for file in "${files[@]}"; do cuobjdump -sass -arch sm_90 "$file"; done | awk '
        function hex(text,    i, value) {
            value = 0
            for (i = 1; i <= length(text); i++)
                value = 16 * value + index("0123456789abcdef", substr(text, i, 1)) - 1
            return value
        }
        function flush(    i, j, loop, best, from, to, n, calls, flight, found) {
            if (name == "") return
            calls = 0
            for (i = 1; i <= n_calls; i++)
                for (j = 1; j <= n_back; j++)
                    if (back_to[j] <= call_at[i] && call_at[i] <= back_from[j]) { calls++; break }
            # The smallest loop of those with the most products, or sums where there are none.
            best = 0; flight = 0
            for (j = 1; j <= n_back; j++) {
                n = 0; found = 0; loop = 0
                for (i = 1; i <= n_all; i++) {
                    if (at[i] < back_to[j] || at[i] > back_from[j]) continue
                    if (is_sum[i]) { n++; found = 1 }
                    else if (is_load[i] && !found) loop++
                }
                if (n > best || (n == best && n > 0 && loop > flight)) { best = n; flight = loop }
            }
            print name, n_all, ldg, ld, ldgsts, hmma, f2f, local, calls, flight
            name = ""
        }
        /Function :/ { flush(); name = $3; n_all = n_calls = n_back = ldg = ld = ldgsts = hmma = f2f = local = 0; next }
        /^ +\/\*[0-9a-f]+\*\/ +/ {
            address = $1; gsub(/[^0-9a-f]/, "", address); address = hex(address)
            op = $2 ~ /^@/ ? $3 : $2; sub(/;.*/, "", op); split(op, parts, "."); kind = parts[1]
            if (kind == "NOP") next
            at[++n_all] = address
            is_load[n_all] = kind == "LDG" || kind == "LD"
            is_sum[n_all] = kind == "HMMA" || kind == "HGMMA" || kind == "FFMA"
            ldg += kind == "LDG"; ld += kind == "LD"; ldgsts += kind == "LDGSTS"; hmma += kind == "HMMA" || kind == "HGMMA"
            f2f += kind == "F2F"; local += kind == "LDL" || kind == "STL"
            if (kind == "CALL") call_at[++n_calls] = address
            if (kind == "BRA" && match($0, /0x[0-9a-f]+ ;/)) {
                to = hex(substr($0, RSTART + 2, RLENGTH - 4))
                if (to < address) { back_to[++n_back] = to; back_from[n_back] = address }
            }
        }
        END { flush() }' | while read -r mangled rest; do
        echo "$(c++filt "$mangled" | sed -E 's/^void //; s/\(int\)//g; s/\(.*//') $rest"
    done | LC_ALL=C sort
}

header="# CUDA $version: kernel, instructions, LDG, LD, LDGSTS, HMMA, F2F, LDL and STL, calls in loops, loads in flight."
now=$(mktemp)
trap 'rm -f "$now"' EXIT
{ echo "$header" && count; } >"$now"
[ $update = no ] || cp "$now" "$table"
column -t "$now" 2>/dev/null || cat "$now"
if [ "$(head -1 "$table")" != "$header" ]; then
    echo "$table is of another CUDA: nothing to hold these against"
    exit 0
fi
awk 'NR == FNR { if (!/^#/) was[$1] = $0; next }
    /^#/ { next }
    !($1 in was) { print $1 ": not in the table"; bad = 1; next }
    {
        split(was[$1], before)
        for (i = 2; i <= 9; i++)
            if (i != 3 && i != 5 && i != 6 && $i > before[i]) {
                print $1 ": column " i " rose from " before[i] " to " $i; bad = 1
            }
        if ($10 < before[10]) { print $1 ": loads in flight fell from " before[10] " to " $10; bad = 1 }
    }
    END { exit bad }' "$table" "$now" ||
    { echo "machine code got worse: mend it, or tools/gpu_sass.sh --update with a reason" && exit 1; }
