/* The input of a memory plan from settings of the command line, without weights. */
#ifndef YOCO_PLAN_INPUT_H
#define YOCO_PLAN_INPUT_H

#include "coordinator/session/session.h"

typedef struct yoco_plan_question {
    yoco_session_options session;
    int64_t n_tokens, n_ranks, chunk_rows, n_branches, branch_rows; /* chunk_rows 0: the default */
} yoco_plan_question;

/* The input points into it: it is not moved. */
typedef struct yoco_plan_basis {
    yoco_model_shape *shape;
    const yoco_ops *ops;
    yoco_device_options device;
    yoco_plan_input input; /* of rank 0 */
} yoco_plan_basis;

/* The shape, from a model folder or a config alone; NULL is a usage error. */
yoco_status yoco_plan_shape_load(const char *model, yoco_model_shape **out);
yoco_status yoco_plan_basis_make(const yoco_plan_question *question, yoco_plan_basis *out);
void yoco_plan_basis_free(yoco_plan_basis *basis);

#endif
