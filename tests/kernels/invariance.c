#include "tests/kernels/invariance.h"

void thread_rigs_open(thread_rigs *rigs, const yoco_ops *ops, yoco_device_options options)
{
    for (int i = 0; i < N_THREAD_RIGS; i++) {
        options.n_threads = 1 + i;
        rig_open(&rigs->with[i], ops, options);
    }
}

void thread_rigs_close(thread_rigs *rigs)
{
    for (int i = 0; i < N_THREAD_RIGS; i++)
        rig_close(&rigs->with[i]);
}

void thread_rigs_reset(thread_rigs *rigs)
{
    for (int i = 0; i < N_THREAD_RIGS; i++)
        rig_reset(&rigs->with[i]);
}

void check_invariance(thread_rigs *rigs, const char *what, run_rows *run, const void *args,
                      int64_t n_rows, int64_t row_size, int64_t first_multiple)
{
    static const struct {
        int64_t first, n_rows;
    } pieces[] = {{0, 1},  {1, 1},   {7, 25},  {0, 64},  {63, 2},
                  {64, 1}, {64, 66}, {128, 8}, {256, 44}};
    size_t row_bytes = (size_t)row_size * sizeof(float);
    const float *all = run(&rigs->with[0], args, 0, n_rows);
    for (int i = 0; i < N_THREAD_RIGS; i++) {
        rig *r = &rigs->with[i];
        check_equal(r, what, run(r, args, 0, n_rows), all, (size_t)n_rows * row_bytes);
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            int64_t first = pieces[p].first, n = pieces[p].n_rows;
            if (first % first_multiple == 0 && first + n <= n_rows)
                check_equal(r, what, run(r, args, first, n), all + first * row_size,
                            (size_t)n * row_bytes);
        }
    }
    thread_rigs_reset(rigs);
}
