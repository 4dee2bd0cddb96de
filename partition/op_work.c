#include "partition/op_work.h"

enum { SLAB_ROWS = 64, F32_BYTES = 4 };

yoco_work yoco_work_linear(yoco_work_kind kind, int64_t n_rows, int64_t n_out, int64_t n_in,
                           size_t element, bool accumulate)
{
    double rows = (double)(kind == YOCO_WORK_SLABS ? yoco_round_up(n_rows, SLAB_ROWS) : n_rows);
    double out = (double)n_out, in = (double)n_in, y_bytes = accumulate ? 2 * F32_BYTES : F32_BYTES;
    return (yoco_work){.kind = kind,
                       .flops = 2 * rows * out * in,
                       .bytes = (double)element * in * (out + rows) + y_bytes * rows * out};
}

double yoco_window_pairs(int64_t n_edge, int64_t begin, int64_t end, int64_t window)
{
    int64_t full = yoco_i64_min(yoco_i64_max(window - 1 - n_edge, begin), end);
    double head = (double)(full - begin);
    return head * ((double)(n_edge + begin + 1) + (double)(n_edge + full)) / 2 +
           (double)(end - full) * (double)window;
}

/* A score and a weighted sum: 2 flops for each pair and channel of Q, and of the output. */
yoco_work yoco_work_window(int64_t n_edge, int64_t q_begin, int64_t q_end, int window,
                           const yoco_widths *widths, size_t element)
{
    double queries = (double)(q_end - q_begin), past = (double)window, size = (double)element;
    double q = (double)widths->q, out = (double)widths->out, kv = (double)(widths->k + widths->v);
    return (yoco_work){.kind = YOCO_WORK_WINDOW,
                       .flops = 2 * (q + out) * yoco_window_pairs(n_edge, q_begin, q_end, window),
                       .bytes =
                           queries * (q * F32_BYTES + out * size) + kv * size * (queries + past)};
}

yoco_work yoco_work_causal(int64_t n_queries, int64_t n_rows, int64_t diagonal,
                           const yoco_widths *widths, size_t element)
{
    double queries = (double)n_queries, size = (double)element, q = (double)widths->q;
    double out = (double)widths->out, kv = (double)(widths->k + widths->v);
    double pairs = diagonal >= n_rows
                       ? queries * (double)n_rows
                       : yoco_window_pairs(diagonal, 0, n_queries, diagonal + n_queries);
    return (yoco_work){.kind = YOCO_WORK_WINDOW,
                       .flops = 2 * (q + out) * pairs,
                       .bytes = queries * (q + 2 * out) * F32_BYTES + kv * size * (double)n_rows};
}

static double blocks(int64_t n_rows)
{
    return (double)yoco_div_up(n_rows, YOCO_RETENTION_ROWS);
}

/* Every block: the pairs within it, and what it adds to the state. */
yoco_work yoco_work_retention_local(int64_t n_rows, int64_t dim, int64_t head_dim)
{
    int64_t whole = n_rows / YOCO_RETENTION_ROWS, rest = n_rows % YOCO_RETENTION_ROWS;
    double pairs = (double)whole * YOCO_RETENTION_ROWS * (YOCO_RETENTION_ROWS + 1) / 2 +
                   (double)rest * (double)(rest + 1) / 2;
    double rows = (double)n_rows, width = (double)dim, head = (double)head_dim;
    return (yoco_work){.kind = YOCO_WORK_RETENTION,
                       .flops = 4 * width * pairs + 2 * rows * width * head,
                       .bytes = F32_BYTES * width * (4 * rows + head * blocks(n_rows))};
}

yoco_work yoco_work_retention_scan(int64_t n_rows, int64_t dim, int64_t head_dim)
{
    double states = F32_BYTES * (double)dim * (double)head_dim * (2 * blocks(n_rows) + 2);
    return (yoco_work){.kind = YOCO_WORK_STATE, .flops = states / 4, .bytes = states};
}

yoco_work yoco_work_retention_correct(int64_t n_rows, int64_t dim, int64_t head_dim)
{
    double rows = (double)n_rows, width = (double)dim, head = (double)head_dim;
    return (yoco_work){.kind = YOCO_WORK_STATE,
                       .flops = 2 * rows * width * head,
                       .bytes = F32_BYTES * width * (3 * rows + head * blocks(n_rows))};
}

yoco_work yoco_work_retention_step(int64_t n_rows, int64_t dim, int64_t head_dim)
{
    double elements = (double)n_rows * (double)dim * (double)head_dim;
    return (yoco_work){
        .kind = YOCO_WORK_STATE, .flops = 5 * elements, .bytes = 2 * F32_BYTES * elements};
}

static double delta_blocks(int64_t n_rows)
{
    return (double)yoco_div_up(n_rows, YOCO_DELTA_ROWS);
}

/* Of rows with those before them in a block, themselves included. */
static double delta_pairs(int64_t n_rows)
{
    int64_t whole = n_rows / YOCO_DELTA_ROWS, rest = n_rows % YOCO_DELTA_ROWS;
    return (double)whole * YOCO_DELTA_ROWS * (YOCO_DELTA_ROWS + 1) / 2 +
           (double)rest * (double)(rest + 1) / 2;
}

/* Products of k with k, then the solution for U and W. */
yoco_work yoco_work_delta_local(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim)
{
    double rows = (double)(n_rows * heads), k = (double)k_dim, v = (double)v_dim;
    return (yoco_work){.kind = YOCO_WORK_RETENTION,
                       .flops = 2 * (double)heads * delta_pairs(n_rows) * (2 * k + v),
                       .bytes = F32_BYTES * rows * (2 * k + 2 * v)};
}

/* W times the state, then k times u. */
yoco_work yoco_work_delta_scan(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim)
{
    double rows = (double)(n_rows * heads), k = (double)k_dim, v = (double)v_dim;
    return (yoco_work){.kind = YOCO_WORK_RETENTION,
                       .flops = 4 * rows * k * v,
                       .bytes = F32_BYTES * (rows * (2 * k + 2 * v) +
                                             (double)heads * k * v * (delta_blocks(n_rows) + 2))};
}

/* Products of q with k, of those with u, of q with the state. */
yoco_work yoco_work_delta_out(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim)
{
    double rows = (double)(n_rows * heads), k = (double)k_dim, v = (double)v_dim;
    return (yoco_work){
        .kind = YOCO_WORK_RETENTION,
        .flops = 2 * (double)heads * delta_pairs(n_rows) * (k + v) + 2 * rows * k * v,
        .bytes =
            F32_BYTES * (rows * (2 * k + 2 * v) + (double)heads * k * v * delta_blocks(n_rows))};
}

yoco_work yoco_work_delta_step(int64_t n_rows, int64_t heads, int64_t k_dim, int64_t v_dim)
{
    double elements = (double)(n_rows * heads) * (double)k_dim * (double)v_dim;
    return (yoco_work){
        .kind = YOCO_WORK_STATE, .flops = 7 * elements, .bytes = 2 * F32_BYTES * elements};
}

yoco_work yoco_work_mamba_local(int64_t n_rows, int64_t n_channels, int64_t n_states)
{
    double rows = (double)n_rows, width = (double)n_channels, states = (double)n_states;
    return (yoco_work){.kind = YOCO_WORK_STATE,
                       .flops = 7 * rows * width * states,
                       .bytes = F32_BYTES * (rows * (4 * width + 2 * states) + width * states)};
}

yoco_work yoco_work_mamba_scan(int64_t n_channels, int64_t n_states)
{
    double elements = (double)n_channels * (double)n_states;
    return (yoco_work){
        .kind = YOCO_WORK_STATE, .flops = 4 * elements, .bytes = 5 * F32_BYTES * elements};
}

yoco_work yoco_work_mamba_correct(int64_t n_rows, int64_t n_channels, int64_t n_states)
{
    double rows = (double)n_rows, width = (double)n_channels, states = (double)n_states;
    return (yoco_work){.kind = YOCO_WORK_STATE,
                       .flops = 5 * rows * width * states,
                       .bytes = F32_BYTES * (rows * (3 * width + states) + 2 * width * states)};
}

yoco_work yoco_work_mamba_step(int64_t n_rows, int64_t n_channels, int64_t n_states)
{
    double elements = (double)n_rows * (double)n_channels * (double)n_states;
    return (yoco_work){
        .kind = YOCO_WORK_STATE, .flops = 7 * elements, .bytes = 3 * F32_BYTES * elements};
}

yoco_work yoco_work_attend(int64_t n_queries, int64_t n_rows, const yoco_widths *widths,
                           size_t element, int64_t n_partials)
{
    double rows = (double)n_rows, q = (double)widths->q, out = (double)widths->out;
    return (yoco_work){.kind = YOCO_WORK_ATTEND,
                       .flops = 2 * (q + out) * rows * (double)n_queries,
                       .bytes = (double)element * (double)(widths->k + widths->v) * rows +
                                F32_BYTES * (q * (double)n_queries + out * (double)n_partials)};
}

yoco_work yoco_work_pointwise(double bytes)
{
    return (yoco_work){.kind = YOCO_WORK_POINTWISE, .flops = 0, .bytes = bytes};
}
