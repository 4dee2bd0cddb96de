#include "tests/kernels/retention_ops.h"

#include <math.h>
#include <string.h>

int64_t retention_state_size(const yoco_retention_args *args)
{
    return (int64_t)args->n_heads * args->head_dim * args->head_dim;
}

yoco_retention_args make_retention(rig *r, test_random *random, const retention_shape *shape)
{
    int64_t n = shape->n_rows * shape->n_heads * shape->head_dim;
    yoco_retention_args args = {
        .n_rows = shape->n_rows,
        .n_heads = shape->n_heads,
        .head_dim = shape->head_dim,
        .q = random_values(r, random, n, 1.0f),
        .k = random_values(r, random, n, 1.0f / sqrtf((float)shape->head_dim)),
        .v = random_values(r, random, n, 1.0f),
        .gate = random_values(r, random, shape->n_rows * shape->n_heads, shape->gate_scale),
        .gate_scale = 1.0 / 12,
    };
    args.edge_in = random_values(r, random, retention_state_size(&args), 1.0f);
    return args;
}

yoco_retention_args retention_piece(const yoco_retention_args *args, int64_t first, int64_t n_rows)
{
    yoco_retention_args piece = *args;
    int64_t at = first * args->n_heads * args->head_dim;
    piece.n_rows = n_rows;
    piece.q += at;
    piece.k += at;
    piece.v += at;
    piece.gate += first * args->n_heads;
    return piece;
}

retention_result run_retention(rig *r, yoco_retention_args args, bool in_place)
{
    int64_t n = args.n_rows * args.n_heads * args.head_dim;
    int64_t edge_size = args.n_heads * args.head_dim * args.head_dim;
    int64_t n_blocks = yoco_div_up(args.n_rows, YOCO_RETENTION_ROWS);
    retention_result result;
    args.q = rig_upload(r, args.q, n, YOCO_F32);
    args.k = rig_upload(r, args.k, n, YOCO_F32);
    args.v = rig_upload(r, args.v, n, YOCO_F32);
    args.gate = rig_upload(r, args.gate, args.n_rows * args.n_heads, YOCO_F32);
    float *edge = rig_upload(r, args.edge_in, edge_size, YOCO_F32);
    args.edge_in = edge;
    args.edge_out = in_place ? edge : rig_device(r, NULL, (size_t)edge_size * sizeof(float));
    args.decay = rig_device(r, NULL, (size_t)(args.n_rows * args.n_heads) * sizeof(float));
    args.state = rig_device(r, NULL, (size_t)(n_blocks * edge_size) * sizeof(float));
    args.out = rig_device(r, NULL, (size_t)n * sizeof(float));

    r->ops->retention->local(r->device, &args);
    result.decay = rig_fetch(r, args.decay);
    result.state = rig_fetch(r, args.state);
    result.local_out = rig_fetch(r, args.out);
    r->ops->retention->scan(r->device, &args);
    result.entering = rig_fetch(r, args.state);
    result.edge_out = rig_fetch(r, args.edge_out);
    r->ops->retention->correct(r->device, &args);
    result.out = rig_fetch(r, args.out);
    return result;
}

float *run_retention_step(rig *r, yoco_retention_step_args args)
{
    int64_t n = args.n_rows * args.n_heads * args.head_dim;
    int64_t state_size = args.n_heads * args.head_dim * args.head_dim;
    float *const *host_states = args.state;
    float **states = rig_host(r, (size_t)args.n_rows * sizeof *states);
    for (int64_t i = 0; i < args.n_rows; i++)
        states[i] = rig_upload(r, host_states[i], state_size, YOCO_F32);
    args.state = states;
    args.q = rig_upload(r, args.q, n, YOCO_F32);
    args.k = rig_upload(r, args.k, n, YOCO_F32);
    args.v = rig_upload(r, args.v, n, YOCO_F32);
    args.gate = rig_upload(r, args.gate, args.n_rows * args.n_heads, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * sizeof(float));
    r->ops->retention->step(r->device, &args);
    for (int64_t i = 0; i < args.n_rows; i++)
        memcpy(host_states[i], rig_fetch(r, states[i]), (size_t)state_size * sizeof(float));
    return rig_fetch(r, args.out);
}
