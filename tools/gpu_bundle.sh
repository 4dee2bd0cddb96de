#!/bin/bash
# gpu_bundle.sh BUILD OUT [ARCH]: packs what tools/gpu_check.sh --build needs on a machine with a GPU
# that has only the driver and a C library: the programs of the CUDA build BUILD, op suites, small
# models, and every shared library that is not the driver's or the C library's. OUT becomes a folder
# below 60 MiB to carry there; `sh OUT/unpack.sh DIR` unpacks it, and says how to go on. NCCL keeps
# its code for sm_ARCH alone (90). cublasLt is not packed, 541 MB; where the machine has none in
# LD_LIBRARY_PATH, products take an own kernel.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: tools/gpu_bundle.sh BUILD OUT [ARCH]" && exit 2; }
build=$(realpath "$1") out=$(realpath -m "$2") arch=${3:-90} limit=$((60 << 20))
cd "$(dirname "$0")/.."
[ ! -e "$out" ] || { echo "$out exists" && exit 2; }
for program in yoco tests/dump_tool tests/test_gpu_ops_rows; do
    [ -x "$build/$program" ] || { echo "$build/$program is missing: build it with CUDA" && exit 2; }
done
cuda=$(dirname "$(dirname "$(realpath "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{tools,tests/cuda_host,tests/engine,tests/reference,configs,build/tests,build/lib,build/bin}

strip -o "$root/build/yoco" "$build/yoco"
for program in "$build"/tests/{dump_tool,test_gpu_*}; do
    strip -o "$root/build/tests/$(basename "$program")" "$program"
done
for program in mpiexec.hydra hydra_pmi_proxy; do
    cp "$(command -v $program)" "$root/build/bin/"
done
ln -s mpiexec.hydra "$root/build/bin/mpiexec"
cp tools/gpu_check.sh tools/gpu_predicted.txt "$root/tools/"
cp tests/cuda_host/engine.sh "$root/tests/cuda_host/"
cp tests/engine/driver.sh "$root/tests/engine/"
cp -r configs/shapes "$root/configs/"
cp -r tests/reference/{swa,gret}-{tiny,branches} tests/reference/{swa-gqa-bf16,fla-yoco-*,phi4flash-tiny} \
    "$root/tests/reference/"
git rev-parse --short HEAD >"$root/build/commit"
git diff --quiet HEAD || echo "with changes" >>"$root/build/commit"

# The tracer, where CUPTI is found.
if [ -e "$cuda/include/cupti.h" ]; then
    g++ -std=c++20 -O2 -shared -fPIC -I"$cuda/include" tools/gpu_times.cpp \
        -o "$root/build/lib/libgpu_times.so" -L"$cuda/lib64" -lcupti
fi

# Every library they name, but for those of the C library, which the machine has.
mapfile -t libraries < <(find "$root/build" -type f -exec \
    env LD_LIBRARY_PATH="$cuda/lib64:$cuda/lib" ldd {} \; 2>/dev/null |
    sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u)
for library in "${libraries[@]}"; do
    name=$(basename "$library") to=$root/build/lib/$(basename "$library")
    case $name in
    libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | ld-linux*) continue ;;
    libcuda.so.* | libnvidia-*) continue ;; # the driver's
    libnccl.so.*) python3 tools/gpu_thin.py "$library" "$to" "$arch" ;;
    *) strip -o "$to" "$library" 2>/dev/null || cp -L "$library" "$to" ;;
    esac
done

mkdir -p "$out"
# The programs hold the same kernels: beside each other, and within one dictionary.
tar -C "$root" -c build/yoco build/tests build/bin build/commit tools tests configs build/lib |
    xz --x86 --lzma2=preset=6,dict=64MiB >"$out/bundle.tar.xz"
cp "$(command -v xz)" "$out/xz"
cp -L "$(ldd "$(command -v xz)" | sed -n 's/.*liblzma[^ ]* => \([^ ]*\) .*/\1/p')" "$out/"
cat >"$out/unpack.sh" <<'END'
#!/bin/sh
# unpack.sh DIR: unpacks the bundle beside it into DIR; the machine need not have xz.
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?unpack.sh DIR}" && cd "$1" || exit 2
LD_LIBRARY_PATH=$here "$here/xz" -dc "$here/bundle.tar.xz" | tar -x || exit 1
echo "now: $PWD/tools/gpu_check.sh --build build"
END
bytes=$(cat "$out"/* | wc -c)
echo "$out: $((bytes >> 20)) MiB"
[ "$bytes" -lt $limit ] || { echo "more than $((limit >> 20)) MiB" && exit 1; }
