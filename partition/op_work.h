/* What the ops of kernels/ops_*.h must do, as flops and as bytes of device memory: what the tally
 * device counts. `element` is the size of the run's dtype. */
#ifndef YOCO_OP_WORK_H
#define YOCO_OP_WORK_H

#include "configs/machine/hardware.h"

typedef struct yoco_work {
    yoco_work_kind kind;
    double flops, bytes;
} yoco_work;

static inline double yoco_work_s(const yoco_hardware *hardware, yoco_work work)
{
    return yoco_hardware_op_s(hardware, work.kind, work.flops, work.bytes);
}

/* A copy between device and host. */
static inline double yoco_host_copy_s(const yoco_hardware *hardware, size_t bytes)
{
    return hardware->device.host_s + (double)bytes / hardware->device.host_byte_s;
}

/* Slabs are padded to 64 rows. y is read too where the product accumulates. */
yoco_work yoco_work_linear(yoco_work_kind kind, int64_t n_rows, int64_t n_out, int64_t n_in,
                           size_t element, bool accumulate);
/* The selective scan: for each row, channel and state 7 flops where it steps, 5 where it corrects,
 * an exponential being one. */
yoco_work yoco_work_mamba_local(int64_t n_rows, int64_t n_channels, int64_t n_states);
yoco_work yoco_work_mamba_scan(int64_t n_channels, int64_t n_states);
yoco_work yoco_work_mamba_correct(int64_t n_rows, int64_t n_channels, int64_t n_states);
yoco_work yoco_work_mamba_step(int64_t n_rows, int64_t n_channels, int64_t n_states);

/* Elements of a row in attention. */
typedef struct yoco_widths {
    int64_t q, k, v, out;
} yoco_widths;

/* Query rows q_begin..q_end-1 of a piece behind n_edge rows, as in yoco_window_args. */
yoco_work yoco_work_window(int64_t n_edge, int64_t q_begin, int64_t q_end, int window,
                           const yoco_widths *widths, size_t element);
/* Queries of a piece over a run of rows, as in yoco_causal_args; what they carry on is read and
 * written. */
yoco_work yoco_work_causal(int64_t n_queries, int64_t n_rows, int64_t diagonal,
                           const yoco_widths *widths, size_t element);
yoco_work yoco_work_retention_local(int64_t n_rows, int64_t dim, int64_t head_dim);
yoco_work yoco_work_retention_scan(int64_t n_rows, int64_t dim, int64_t head_dim);
yoco_work yoco_work_retention_correct(int64_t n_rows, int64_t dim, int64_t head_dim);
yoco_work yoco_work_retention_step(int64_t n_rows, int64_t dim, int64_t head_dim);
/* heads: of the state, k_dim x v_dim each; work within a block is per value head. */
yoco_work yoco_work_delta_local(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim);
yoco_work yoco_work_delta_scan(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim);
yoco_work yoco_work_delta_out(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim);
yoco_work yoco_work_delta_step(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim);
/* n_queries over n_rows rows of K,V; partials are as wide as the output. */
yoco_work yoco_work_attend(int64_t n_queries, int64_t n_rows, const yoco_widths *widths,
                           size_t element, int64_t n_partials);
/* Reads and writes that many bytes. */
yoco_work yoco_work_pointwise(double bytes);

/* Pairs of a query and a row it sees, for queries begin..end-1 when query i sees
 * min(window, n_edge + i + 1) rows. */
double yoco_window_pairs(int64_t n_edge, int64_t begin, int64_t end, int64_t window);

#endif
