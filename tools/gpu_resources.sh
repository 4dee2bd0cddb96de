#!/bin/bash
# gpu_resources.sh [--update] [TRACE]: compiles every kernel and prints its registers, spills and the
# shared memory it is launched with as the table of docs/GPU.md. TRACE: what the tests of
# tests/cuda_host left in kernels_that_ran; without it the last columns stay empty. Exit code 1 where
# a kernel spills, but for `may_spill`: what runs only for f32 and odd heads; and
# where a kernel takes more registers than tests/cuda_host/resources.txt says, or has another launch
# bound, since launches on the host are held against that file. --update writes it.
set -euo pipefail
cd "$(dirname "$0")/.."
update=no
[ "${1:-}" != --update ] || { update=yes; shift; }
resources=tests/cuda_host/resources.txt
trace=${1:-/dev/null}
may_spill=' attend_kernel window_kernel '
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || { echo "nvcc not found: put it in PATH"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

flags=(-std=c++20 -I. -fmad=false -O3 -Xptxas -v -DYOCO_CUBLASLT='""')
for arch in 80 90; do
    for file in kernels/cuda/*.cu; do
        target=sm_$arch
        case $file in *_sm90a.cu) # code for 9.0 alone
            [ $arch = 90 ] || continue
            target=sm_90a ;;
        esac
        "$nvcc" "${flags[@]}" --keep --keep-dir "$folder" -arch=$target -cubin -o "$folder/cubin" "$file" 2>"$folder/log" ||
            { cat "$folder/log"; exit 2; }
        # "entry function 'NAME'", then two lines of numbers.
        awk -v arch=$arch '
            /Compiling entry function/ { split($0, a, "\047"); name = a[2] }
            /spill stores/ { spills = $5 + $9; stack = $1 }
            /Used [0-9]+ registers/ {
                match($0, /Used [0-9]+/)
                print name, arch, substr($0, RSTART + 5, RLENGTH - 5), spills, stack
            }' "$folder/log" >>"$folder/all"
        # The launch bound, which stands in the PTX alone.
        awk '/\.entry/ { match($0, /_Z[A-Za-z0-9_]+/); name = substr($0, RSTART, RLENGTH) }
            /\.maxntid/ { print name, $2 + 0 }' "$folder/$(basename "$file" .cu).ptx" >>"$folder/bounds"
    done
done

# Most threads and bytes of shared memory of the launches of a kernel, the instance alone if it is one.
launches() {
    local name=${1%%<*} instance=""
    [[ $1 != *"<"* ]] || instance=$(grep -oE '<[0-9]+' <<<"$1" | tr -d '<')
    awk -F'|' -v name="$name" -v instance="$instance" '
        { kernel = $1; sub(/^\(/, "", kernel); sub(/<.*/, "", kernel) }
        kernel == name && (instance == "" || $4 ~ "= " instance "[];]") {
            if ($2 > threads) threads = $2
            if ($3 > bytes) bytes = $3
        }
        END { if (threads) print threads " | " bytes; else print " | " }' "$trace"
}

echo "| kernel | registers sm_80 | sm_90 | spilled bytes | stack bytes | threads | shared bytes |"
echo "|---|---:|---:|---:|---:|---:|---:|"
n_spills=0
: >"$folder/resources"
while read -r mangled; do
    read -r r80 s80 k80 < <(awk -v n="$mangled" '$1 == n && $2 == 80 {print $3, $4, $5}' "$folder/all") || true
    read -r r90 s90 k90 < <(awk -v n="$mangled" '$1 == n && $2 == 90 {print $3, $4, $5}' "$folder/all")
    name=$(c++filt "$mangled" | sed -E 's/^void //; s/\(int\)//g; s/\(.*//')
    spills=$((s80 > s90 ? s80 : s90))
    bound=$(awk -v n="$mangled" '$1 == n { b = $2 } END { print b ? b : 1024 }' "$folder/bounds")
    echo "$name $((r80 > r90 ? r80 : r90)) $bound" >>"$folder/resources"
    [ $spills = 0 ] || [[ $may_spill == *" $name "* ]] || n_spills=$((n_spills + 1))
    echo "| \`$name\` | $r80 | $r90 | $spills | $((k80 > k90 ? k80 : k90)) | $(launches "$name") |"
done < <(cut -d' ' -f1 "$folder/all" | sort -u)
[ $n_spills = 0 ] || { echo "$n_spills kernels spill registers"; exit 1; }

header="# Kernel, the most registers of a thread, threads of a block at most; by tools/gpu_resources.sh."
[ $update = no ] || { echo "$header"; LC_ALL=C sort "$folder/resources"; } >"$resources"
awk 'NR == FNR { registers[$1] = $2; bound[$1] = $3; next }
    !($1 in bound) || $2 > registers[$1] || $3 != bound[$1] {
        print $1 ": " $2 " registers, at most " $3 " threads: not what the file says"; bad = 1
    }
    END { exit bad }' "$resources" "$folder/resources" ||
    { echo "$resources is out of date: tools/gpu_resources.sh --update"; exit 1; }
