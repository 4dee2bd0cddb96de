/* Counter-based random numbers: a number is a function of a seed and an index alone, so it does not
 * depend on what else was drawn, on ranks or on order.
 * Source: SplitMix64, Steele, Lea & Flood 2014; two rounds, the index in each. */
#ifndef YOCO_RANDOM_H
#define YOCO_RANDOM_H

#include "base.h"

static inline uint64_t yoco_random_at(uint64_t seed, uint64_t index)
{
    uint64_t z = seed;
    for (int round = 0; round < 2; round++) {
        z += (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
    }
    return z;
}

/* 64 random bits as a number in [0, 1). */
static inline double yoco_random_unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

/* The numbers of one seed in order. */
typedef struct yoco_random {
    uint64_t seed, index;
} yoco_random;

static inline uint64_t yoco_random_next(yoco_random *random)
{
    return yoco_random_at(random->seed, random->index++);
}

/* 0 to bound - 1; bound >= 1 is far below 2^64, so the bias of the remainder does not matter. */
static inline int64_t yoco_random_below(yoco_random *random, int64_t bound)
{
    return (int64_t)(yoco_random_next(random) % (uint64_t)bound);
}

#endif
