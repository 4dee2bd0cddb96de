#include "coordinator/bench/rate.h"

#include "coordinator/timing/repeat.h"

enum { N_RUNS = 7 };

static const double RUN_S = 0.05; /* at least, so that the ranks' runs overlap */

static void note_cpu_share(yoco_rater *rater, const double *seconds, const double *cpu_s)
{
    double cpu = 0, wall = 0;
    for (int i = 0; i < N_RUNS; i++) {
        cpu += cpu_s[i];
        wall += seconds[i];
    }
    double share = cpu / wall / rater->device->n_threads;
    if (share < rater->cpu_share)
        rater->cpu_share = share;
}

yoco_status yoco_rate_measure(yoco_rater *rater, const yoco_rate_work *work, yoco_spread *out)
{
    double seconds[N_RUNS], cpu_s[N_RUNS], rates[N_RUNS];
    int64_t sums[N_RUNS];
    yoco_repeat repeat = {.comm = rater->comm,
                          .n_warm_up = 1,
                          .n_runs = N_RUNS,
                          .least_s = RUN_S,
                          .work = work->run,
                          .data = work->data};
    YOCO_TRY(yoco_repeat_run(&repeat, seconds, cpu_s));
    for (int i = 0; i < N_RUNS; i++)
        sums[i] = (int64_t)(work->units / seconds[i]);
    YOCO_TRY(yoco_all_sum_i64(rater->comm, sums, N_RUNS));
    for (int i = 0; i < N_RUNS; i++)
        rates[i] = (double)sums[i];
    if (rater->ops->host_memory && work->units > 0)
        note_cpu_share(rater, seconds, cpu_s);
    *out = yoco_spread_make(rates, N_RUNS);
    return YOCO_OK;
}

void yoco_rate_fill(uint16_t *data, size_t bytes)
{
    uint64_t state = 1;
    for (size_t i = 0; i < bytes / sizeof *data; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (uint16_t)(0x3f00u | (state >> 48 & 0x807fu));
    }
}
