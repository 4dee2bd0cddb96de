/* The C library's mathematics, whose last bits are part of the results. */
#ifndef YOCO_LIBM_H
#define YOCO_LIBM_H

#include <stddef.h>

/* "glibc 2.36", or "glibc 2.36 libm 9e0beb3e" where its functions give other bits than those
 * of 2.36 for processors with FMA: it chooses among variants by the processor and by
 * GLIBC_TUNABLES. */
void yoco_libm_describe(char *text, size_t size);

#endif
