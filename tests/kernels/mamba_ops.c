#include "tests/kernels/mamba_ops.h"

#include <string.h>

int64_t mamba_state_size(const yoco_mamba_args *args)
{
    return (int64_t)args->n_states * args->n_channels;
}

yoco_mamba_args make_mamba(rig *r, test_random *random, const mamba_shape *shape)
{
    int64_t n = shape->n_rows * shape->n_channels, n_state = shape->n_rows * shape->n_states;
    yoco_mamba_args args = {.n_rows = shape->n_rows,
                            .n_channels = shape->n_channels,
                            .n_states = shape->n_states,
                            .dt_bias = random_values(r, random, shape->n_channels, 1.0f),
                            .d = random_values(r, random, shape->n_channels, 1.0f),
                            .b = random_values(r, random, n_state, 1.0f),
                            .c = random_values(r, random, n_state, 1.0f),
                            .x = random_values(r, random, n, 1.0f),
                            .dt = random_values(r, random, n, shape->dt_scale)};
    float *a = random_values(r, random, mamba_state_size(&args), 1.0f);
    for (int64_t i = 0; i < mamba_state_size(&args); i++) {
        int64_t state = i / shape->n_channels;
        a[i] = -0.05f - (float)state * (0.6f + 0.4f * a[i]);
    }
    args.a = a;
    args.edge_in = random_values(r, random, mamba_state_size(&args), 1.0f);
    return args;
}

yoco_mamba_args mamba_piece(const yoco_mamba_args *args, int64_t first, int64_t n_rows)
{
    yoco_mamba_args piece = *args;
    piece.n_rows = n_rows;
    piece.b += first * args->n_states;
    piece.c += first * args->n_states;
    piece.x += first * args->n_channels;
    piece.dt += first * args->n_channels;
    return piece;
}

/* What a piece and a step share. */
static yoco_mamba_args upload(rig *r, const yoco_mamba_args *args)
{
    yoco_mamba_args device = *args;
    int64_t n = args->n_rows * args->n_channels, n_states = args->n_rows * args->n_states;
    device.a = rig_upload(r, args->a, mamba_state_size(args), YOCO_F32);
    device.dt_bias = rig_upload(r, args->dt_bias, args->n_channels, YOCO_F32);
    device.d = rig_upload(r, args->d, args->n_channels, YOCO_F32);
    device.b = rig_upload(r, args->b, n_states, YOCO_F32);
    device.c = rig_upload(r, args->c, n_states, YOCO_F32);
    device.x = rig_upload(r, args->x, n, YOCO_F32);
    device.dt = rig_upload(r, args->dt, n, YOCO_F32);
    return device;
}

mamba_result run_mamba(rig *r, yoco_mamba_args args, bool in_place)
{
    yoco_mamba_args device = upload(r, &args);
    size_t state_bytes = (size_t)mamba_state_size(&args) * sizeof(float);
    size_t out_bytes = (size_t)(args.n_rows * args.n_channels) * sizeof(float);
    mamba_result result;
    float *edge = rig_upload(r, args.edge_in, mamba_state_size(&args), YOCO_F32);
    device.edge_in = edge;
    device.edge_out = in_place ? edge : rig_device(r, NULL, state_bytes);
    device.state = rig_device(r, NULL, state_bytes);
    device.out = in_place ? (float *)device.x : rig_device(r, NULL, out_bytes);
    r->ops->mamba->local(r->device, &device);
    result.sum = rig_fetch(r, device.dt);
    result.local_state = rig_fetch(r, device.state);
    result.local_out = rig_fetch(r, device.out);
    r->ops->mamba->scan(r->device, &device);
    result.entering = rig_fetch(r, device.state);
    result.edge_out = rig_fetch(r, device.edge_out);
    r->ops->mamba->correct(r->device, &device);
    result.out = rig_fetch(r, device.out);
    return result;
}

float *run_mamba_step(rig *r, const yoco_mamba_args *args, float *const *states)
{
    yoco_mamba_args device = upload(r, args);
    int64_t n_state = mamba_state_size(args);
    float **on_device = rig_host(r, (size_t)args->n_rows * sizeof *on_device);
    for (int64_t i = 0; i < args->n_rows; i++)
        on_device[i] = rig_upload(r, states[i], n_state, YOCO_F32);
    yoco_mamba_step_args step = {.n_rows = args->n_rows,
                                 .n_channels = args->n_channels,
                                 .n_states = args->n_states,
                                 .a = device.a,
                                 .dt_bias = device.dt_bias,
                                 .d = device.d,
                                 .b = device.b,
                                 .c = device.c,
                                 .x = device.x,
                                 .dt = device.dt,
                                 .state = on_device};
    step.out = rig_device(r, NULL, (size_t)(args->n_rows * args->n_channels) * sizeof(float));
    r->ops->mamba->step(r->device, &step);
    for (int64_t i = 0; i < args->n_rows; i++)
        memcpy(states[i], rig_fetch(r, on_device[i]), (size_t)n_state * sizeof(float));
    return rig_fetch(r, step.out);
}
