#include "coordinator/timing/spread.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

yoco_spread yoco_spread_make(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    return (yoco_spread){.median = (values[(n - 1) / 2] + values[n / 2]) / 2,
                         .min = values[0],
                         .max = values[n - 1]};
}
