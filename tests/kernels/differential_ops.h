/* Differential attention's op in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_DIFFERENTIAL_OPS_H
#define YOCO_TEST_DIFFERENTIAL_OPS_H

#include "kernels/ops_differential.h"
#include "tests/kernels/ops_testing.h"

float *run_combine(rig *r, yoco_differential_args args);

#endif
