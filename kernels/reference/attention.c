/* Softmax attention over rows of K,V: windows, runs of all rows before, blocks of the shared K,V.
 */
#include "kernels/ops_causal.h"
#include "kernels/ops_window.h"
#include "kernels/reference/reference.h"

#include <math.h>

/* Channels of V summed in one pass over the rows; a wider head takes several passes. */
enum { PASS_CHANNELS = 256 };

/* One query over one head of K,V. Blocks need an integer maximum; to a window any will do. */
typedef struct scan {
    const float *q; /* (head_dim) */
    float scale_log2;
    const yoco_window_view *view;
    yoco_dtype kv_dtype;
    int n_k_heads, k_head, k_dim;
    int n_v_heads, v_head, v_dim;
    float max;                    /* ceil of the maximum score in base 2 */
    double sum;                   /* sum of 2^(score - max) */
    double values[PASS_CHANNELS]; /* sum of 2^(score - max) v, for the channels of the last pass */
} scan;

/* Of query head `head`, whose query, rows and dtype the caller adds. */
static scan scan_of(int n_heads, int n_k_heads, int n_v_heads, int k_dim, int v_dim, int head)
{
    return (scan){.n_k_heads = n_k_heads,
                  .k_head = yoco_k_head(n_heads, n_k_heads, n_v_heads, head),
                  .k_dim = k_dim,
                  .n_v_heads = n_v_heads,
                  .v_head = yoco_v_head(n_heads, n_v_heads, head),
                  .v_dim = v_dim};
}

static float load_k(const scan *s, int part, int64_t row, int i)
{
    int64_t head = row * s->n_k_heads + s->k_head;
    return reference_load(s->kv_dtype, s->view->k[part], head * s->k_dim + i);
}

static float load_v(const scan *s, int part, int64_t row, int i)
{
    int64_t head = row * s->n_v_heads + s->v_head;
    return reference_load(s->kv_dtype, s->view->v[part], head * s->v_dim + i);
}

/* In base 2, and f32: its ceil is then exact. */
static float score(const scan *s, int part, int64_t row)
{
    double dot = 0;
    for (int i = 0; i < s->k_dim; i++)
        dot += (double)s->q[i] * load_k(s, part, row, i);
    return (float)(dot * s->scale_log2);
}

/* NaN scores do not raise the maximum, but they do reach the sums. */
static void scan_max(scan *s)
{
    float max = -INFINITY;
    for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
        for (int64_t row = 0; row < s->view->n_rows[part]; row++)
            max = fmaxf(max, score(s, part, row));
    }
    s->max = ceilf(max) + 0.0f; /* + 0: -0 becomes 0 */
}

static int scan_channels(scan *s, int first)
{
    int n = s->v_dim - first < PASS_CHANNELS ? s->v_dim - first : PASS_CHANNELS;
    s->sum = 0;
    for (int i = 0; i < n; i++)
        s->values[i] = 0;
    for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
        for (int64_t row = 0; row < s->view->n_rows[part]; row++) {
            double weight = exp2((double)score(s, part, row) - s->max);
            s->sum += weight;
            for (int i = 0; i < n; i++)
                s->values[i] += weight * load_v(s, part, row, first + i);
        }
    }
    return n;
}

/* Softmax of the whole view; element `at` of out is the head's first. */
static void window_head(scan *s, yoco_dtype out_dtype, void *out, int64_t at)
{
    scan_max(s);
    for (int first = 0; first < s->v_dim; first += PASS_CHANNELS) {
        int n = scan_channels(s, first);
        for (int i = 0; i < n; i++)
            reference_store(out_dtype, out, at + first + i, (float)(s->values[i] / s->sum));
    }
}

static void attend(yoco_device *device, const yoco_window_args *args)
{
    (void)device;
    size_t element = yoco_dtype_bytes(args->kv_dtype);
    size_t k_bytes = (size_t)args->n_kv_heads * (size_t)args->head_dim * element;
    size_t v_bytes = (size_t)args->n_v_heads * (size_t)args->v_dim * element;
    for (int64_t row = args->q_begin; row < args->q_end; row++) {
        int64_t last = args->n_edge + row;
        int64_t first = yoco_i64_max(0, last - args->window + 1);
        yoco_window_view view = {.k = {(const char *)args->k + (size_t)first * k_bytes},
                                 .v = {(const char *)args->v + (size_t)first * v_bytes},
                                 .n_rows = {last - first + 1}};
        for (int head = 0; head < args->n_heads; head++) {
            int64_t index = row * args->n_heads + head;
            scan s = scan_of(args->n_heads, args->n_kv_heads, args->n_v_heads, args->head_dim,
                             args->v_dim, head);
            s.q = args->q + index * args->head_dim;
            s.scale_log2 = args->scale_log2;
            s.view = &view;
            s.kv_dtype = args->kv_dtype;
            window_head(&s, args->out_dtype, args->out, index * args->v_dim);
        }
    }
}

static void step(yoco_device *device, const yoco_window_step_args *args)
{
    (void)device;
    for (int64_t query = 0; query < args->n_queries; query++) {
        for (int head = 0; head < args->n_heads; head++) {
            int64_t index = query * args->n_heads + head;
            scan s = scan_of(args->n_heads, args->n_kv_heads, args->n_v_heads, args->head_dim,
                             args->v_dim, head);
            s.q = args->q + index * args->head_dim;
            s.scale_log2 = args->scale_log2;
            s.view = &args->views[query];
            s.kv_dtype = args->kv_dtype;
            window_head(&s, args->out_dtype, args->out, index * args->v_dim);
        }
    }
}

const yoco_window_ops yoco_reference_window = {
    .attend = attend,
    .step = step,
};

/* All heads of one query over one block: partial p. */
static void attend_block(const yoco_attend_args *args, const yoco_window_view *block, int64_t query,
                         int64_t p)
{
    for (int head = 0; head < args->n_heads; head++) {
        scan s = scan_of(args->n_heads, args->n_kv_heads, args->n_v_heads, args->head_dim,
                         args->v_dim, head);
        s.q = args->q + (query * args->n_heads + head) * args->head_dim;
        s.scale_log2 = args->scale_log2;
        s.view = block;
        s.kv_dtype = args->kv_dtype;
        int64_t at = p * args->n_heads + head;
        scan_max(&s);
        for (int first = 0; first < args->v_dim; first += PASS_CHANNELS) {
            int n = scan_channels(&s, first);
            for (int i = 0; i < n; i++)
                args->partial[at * args->v_dim + first + i] = (float)s.values[i];
        }
        args->max[at] = s.max;
        args->sum[at] = (float)s.sum;
    }
}

void reference_attend_partials(const yoco_attend_args *args)
{
    size_t element = yoco_dtype_bytes(args->kv_dtype);
    size_t k_bytes = (size_t)args->n_kv_heads * (size_t)args->head_dim * element;
    size_t v_bytes = (size_t)args->n_v_heads * (size_t)args->v_dim * element;
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *segment = &args->segments[i];
        int64_t n_blocks = yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
        for (int64_t b = 0; b < n_blocks; b++) {
            int64_t n_rows;
            int64_t row = yoco_kv_block(segment->n_rows, segment->chunk_rows, b, &n_rows);
            yoco_window_view block = {.k = {(const char *)segment->k + (size_t)row * k_bytes},
                                      .v = {(const char *)segment->v + (size_t)row * v_bytes},
                                      .n_rows = {n_rows}};
            for (int64_t query = 0; query < segment->n_queries; query++)
                attend_block(args, &block, segment->first_query + query,
                             segment->first_partial + b * segment->n_queries + query);
        }
    }
}

/* What a query and head has summed before, with what it sums over the rows of the scan. */
static void carry_on(scan *s, const yoco_causal_args *args, int64_t index)
{
    float *max = &args->max[index], *sum = &args->sum[index];
    float *partial = args->partial + index * args->v_dim;
    scan_max(s);
    float before = args->first ? -INFINITY : *max, now = fmaxf(before, s->max);
    float keeps = args->first ? 0.0f : exp2f(before - now), adds = exp2f(s->max - now);
    for (int first = 0; first < args->v_dim; first += PASS_CHANNELS) {
        int n = scan_channels(s, first);
        for (int i = first; i < first + n; i++)
            partial[i] =
                (args->first ? 0.0f : keeps * partial[i]) + adds * (float)s->values[i - first];
    }
    *sum = (args->first ? 0.0f : keeps * *sum) + adds * (float)s->sum;
    *max = now;
    for (int i = 0; args->last && i < args->v_dim; i++)
        reference_store(args->out_dtype, args->out, index * args->v_dim + i, partial[i] / *sum);
}

static void causal_attend(yoco_device *device, const yoco_causal_args *args)
{
    (void)device;
    for (int64_t query = 0; query < args->n_queries; query++) {
        yoco_window_view view = {
            .k = {args->k},
            .v = {args->v},
            .n_rows = {yoco_i64_min(args->n_rows, args->diagonal + query + 1)}};
        for (int head = 0; head < args->n_heads; head++) {
            int64_t index = query * args->n_heads + head;
            scan s = scan_of(args->n_heads, args->n_kv_heads, args->n_v_heads, args->head_dim,
                             args->v_dim, head);
            s.q = args->q + index * args->head_dim;
            s.scale_log2 = args->scale_log2;
            s.view = &view;
            s.kv_dtype = args->kv_dtype;
            carry_on(&s, args, index);
        }
    }
}

const yoco_causal_ops yoco_reference_causal = {.attend = causal_attend};
