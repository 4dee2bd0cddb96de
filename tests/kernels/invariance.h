/* A row's result must not depend on which rows share the call, nor on the number of threads. */
#ifndef YOCO_INVARIANCE_H
#define YOCO_INVARIANCE_H

#include "tests/kernels/ops_testing.h"

enum { N_THREAD_RIGS = 3 };

/* One backend, opened with 1, 2 and 3 threads. */
typedef struct thread_rigs {
    rig with[N_THREAD_RIGS];
} thread_rigs;

void thread_rigs_open(thread_rigs *rigs, const yoco_ops *ops, yoco_device_options options);
void thread_rigs_close(thread_rigs *rigs);
void thread_rigs_reset(thread_rigs *rigs);

/* Runs rows first .. first + n_rows - 1 of args alone; gives what it wrote for them, row_size
 * values each. */
typedef float *run_rows(rig *r, const void *args, int64_t first, int64_t n_rows);

/* Compares, byte for byte, all n_rows rows at once on each number of threads, and pieces of them
 * that begin at a multiple of first_multiple. Resets the rigs. */
void check_invariance(thread_rigs *rigs, const char *what, run_rows *run, const void *args,
                      int64_t n_rows, int64_t row_size, int64_t first_multiple);

#endif
