/* The points of a scaling experiment, each run once: measured by `yoco bench --per-rank` under a
 * launcher, simulated by yoco-sim under smpirun, predicted by the formula. Points that the folder
 * already has, run with the same numbers of runs and steps and the same hardware, are not run
 * again. */
#ifndef YOCO_SCALE_SWEEP_H
#define YOCO_SCALE_SWEEP_H

#include "configs/model/shape.h"
#include "coordinator/scale/platform.h"
#include "coordinator/scale/rows.h"

typedef enum yoco_scale_kind {
    YOCO_SCALE_MEASURED,
    YOCO_SCALE_SIMULATED,
    YOCO_SCALE_PREDICTED,
    YOCO_N_SCALE_KINDS
} yoco_scale_kind;

typedef struct yoco_sweep {
    const char *model; /* as given; a config, or a model folder for measured points only */
    yoco_model_shape *shape;
    const yoco_hardware *hardware; /* NULL: measured points only */
    const char *hardware_path;     /* what yoco-sim is told */
    const char *folder, *launcher, *simulator;
    int64_t chunk_rows; /* 0: the formula's choice where there is hardware, else 2048 */
    int64_t n_runs, n_steps, sim_steps, n_threads, branch_rows;
    const char *dtype, *backend;
    yoco_what_if what_if;
} yoco_sweep;

typedef struct yoco_scale_point {
    yoco_scale_kind kind;
    bool weak; /* n_tokens grows with the ranks; for the report only */
    int n_ranks;
    int64_t n_tokens, n_branches;
} yoco_scale_point;

yoco_status yoco_scale_point_run(const yoco_sweep *sweep, const yoco_scale_point *point,
                                 yoco_scale_rows *rows);

#endif
