/* Repeated measurements of one thing, as reports state them. */
#ifndef YOCO_SPREAD_H
#define YOCO_SPREAD_H

typedef struct yoco_spread {
    double median, min, max;
} yoco_spread;

/* Sorts the values; n >= 1. */
yoco_spread yoco_spread_make(double *values, int n);

#endif
