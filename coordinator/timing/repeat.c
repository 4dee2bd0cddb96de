#include "coordinator/timing/repeat.h"

#include <time.h>

/* Processor time of this process so far. */
static double cpu_now_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static yoco_status run_once(const yoco_repeat *r, double *seconds, double *cpu_s)
{
    double cpu_start_s = cpu_now_s(), start_s = yoco_now_s(), elapsed_s;
    yoco_status status;
    int64_t n = 0;
    do {
        status = r->work(r->data);
        elapsed_s = yoco_now_s() - start_s;
        n++;
    } while (status == YOCO_OK && elapsed_s < r->least_s);
    *cpu_s = (cpu_now_s() - cpu_start_s) / (double)n;
    if (r->slowest) {
        status = yoco_agree(r->comm, status);
        elapsed_s = yoco_now_s() - start_s;
    }
    *seconds = elapsed_s / (double)n;
    return status;
}

yoco_status yoco_repeat_run(const yoco_repeat *r, double *seconds, double *cpu_s)
{
    yoco_status status = YOCO_OK;
    for (int i = -r->n_warm_up; i < r->n_runs; i++) {
        double run_s, run_cpu_s;
        if (status == YOCO_OK && r->begin)
            status = r->begin(r->data);
        YOCO_TRY(yoco_agree(r->comm, status));
        status = run_once(r, &run_s, &run_cpu_s);
        if (i >= 0)
            seconds[i] = run_s;
        if (i >= 0 && cpu_s)
            cpu_s[i] = run_cpu_s;
    }
    return yoco_agree(r->comm, status);
}
