#!/bin/bash
# ranks_with_another_libm.sh: where a rank's C library rounds otherwise than the others', by its processor or by
# GLIBC_TUNABLES, the ranks say so instead of giving other bits.
source "$(dirname "$0")/driver.sh"

run=("$yoco" run -m "$demo" -p hi -n 1)
other=(env "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA" "${run[@]}")

# libm COMMAND...: what its arithmetic says of the C library.
libm() {
    succeed "$@"
    grep -oE 'glibc [^,]*' "$folder/err"
}

if [ "$(libm "${run[@]}")" = "$(libm "${other[@]}")" ]; then
    echo "skipped: ranks with another libm: this processor has one variant of it"
    exit 77
fi
expect 2 'would compute with .*libm .*, rank 0 with' "$mpiexec" -n 1 "${run[@]}" : -n 1 "${other[@]}"
succeed "$mpiexec" -n 2 "${other[@]}"
finish
