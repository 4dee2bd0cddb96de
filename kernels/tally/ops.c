/* The table. What each op must do stands in partition/op_work.h. */
#include "kernels/tally/tally.h"

#include "kernels/ops_attend.h"
#include "kernels/ops_causal.h"
#include "kernels/ops_choose.h"
#include "kernels/ops_conv.h"
#include "kernels/ops_delta.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_differential.h"
#include "kernels/ops_mamba.h"
#include "kernels/ops_retention.h"
#include "kernels/ops_window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The flags that a merge carries are the one upload that is read back (worker/merge.c). */
enum { FLAG_BYTES = 64 };

struct yoco_device {
    yoco_dtype dtype;
    bool is_merging; /* from partials to merge_finish */
    const void *flags_at;
    char flags[FLAG_BYTES];
};

struct yoco_weight {
    int64_t n_out, n_in;
};

static const double F32_BYTES = 4;

static const yoco_tally *tally;

void yoco_tally_begin(const yoco_tally *to)
{
    tally = to;
}

static void charge(yoco_tally_part part, yoco_work work)
{
    tally->work(tally->context, part, work);
}

static void charge_bytes(double bytes)
{
    charge(YOCO_TALLY_REPEATED, yoco_work_pointwise(bytes));
}

static void charge_part_bytes(yoco_tally_part part, double bytes)
{
    charge(part, yoco_work_pointwise(bytes));
}

static double bytes_of(yoco_dtype dtype)
{
    return (double)yoco_dtype_bytes(dtype);
}

static void describe(const yoco_device_options *options, char *text, size_t size)
{
    (void)options;
    snprintf(text, size, "tally");
}

static size_t weight_bytes(const yoco_device_options *options, int64_t n_out, int64_t n_in)
{
    return (size_t)n_out * (size_t)n_in * yoco_dtype_bytes(options->dtype);
}

static yoco_status open_device(const yoco_device_options *options, yoco_device **out)
{
    yoco_device *device = NULL;
    YOCO_TRY(yoco_alloc(sizeof *device, "the tally device", (void **)&device));
    *device = (yoco_device){.dtype = options->dtype};
    *out = device;
    return YOCO_OK;
}

static void close_device(yoco_device *device)
{
    yoco_free(device);
}

static yoco_status synchronize(yoco_device *device)
{
    (void)device;
    tally->settle(tally->context);
    return YOCO_OK;
}

static yoco_status alloc_buffer(yoco_device *device, size_t bytes, const char *what, void **out)
{
    (void)device;
    *out = bytes > 0 ? tally->address(tally->context, bytes) : NULL;
    if (bytes == 0 || *out)
        return YOCO_OK;
    yoco_log_error("%s: %zu bytes are too many for a tally", what, bytes);
    return YOCO_ERR_MEMORY;
}

static void free_buffer(yoco_device *device, void *ptr)
{
    (void)device;
    (void)ptr;
}

static yoco_tally_part merging(const yoco_device *device)
{
    return device->is_merging ? YOCO_TALLY_MERGE : YOCO_TALLY_REPEATED;
}

static void upload(yoco_device *device, void *to, const void *from, size_t bytes)
{
    tally->host_copy(tally->context, merging(device), bytes);
    if (bytes > FLAG_BYTES)
        return;
    device->flags_at = to;
    memcpy(device->flags, from, bytes);
}

static void download(yoco_device *device, void *to, const void *from, size_t bytes)
{
    tally->host_copy(tally->context, merging(device), bytes);
    if (from == device->flags_at && bytes <= FLAG_BYTES)
        memcpy(to, device->flags, bytes);
}

static yoco_status fetch(yoco_device *device, void *to, const void *from, size_t bytes)
{
    download(device, to, from, bytes);
    return YOCO_OK;
}

static bool device_at(int index, char *text, size_t size)
{
    snprintf(text, size, "tally");
    return index == 0;
}

static void copy_bytes(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    (void)to;
    (void)from;
    charge_bytes(2 * (double)bytes);
}

static void copy_rows(yoco_device *device, const yoco_row_copy *copies, int64_t n, size_t bytes)
{
    for (int64_t i = 0; i < n; i++)
        copy_bytes(device, copies[i].to, copies[i].from, bytes);
}

static void zero(yoco_device *device, void *ptr, size_t bytes)
{
    (void)device;
    (void)ptr;
    charge_bytes((double)bytes);
}

static size_t memory_in_use(yoco_device *device)
{
    (void)device;
    return 0;
}

static uint64_t hash(yoco_device *device, const void *ptr, size_t bytes)
{
    (void)ptr;
    charge_part_bytes(merging(device), (double)bytes);
    return 0;
}

static yoco_status weight_create(yoco_device *device, const yoco_matrix *matrix,
                                 yoco_weight_use use, yoco_weight **out)
{
    (void)device;
    (void)use;
    YOCO_TRY(yoco_alloc(sizeof **out, "a weight", (void **)out));
    **out = (yoco_weight){.n_out = matrix->n_out, .n_in = matrix->n_in};
    return YOCO_OK;
}

static void weight_free(yoco_device *device, yoco_weight *weight)
{
    (void)device;
    yoco_free(weight);
}

static void embed(yoco_device *device, const yoco_embed_args *a)
{
    charge_bytes((double)(a->n_rows * a->table->n_in) * (bytes_of(device->dtype) + F32_BYTES));
}

static void gather(yoco_device *device, const yoco_gather_args *a)
{
    int64_t n = a->n_rows * a->n_slices * a->width;
    (void)device;
    tally->host_copy(tally->context, YOCO_TALLY_REPEATED,
                     (size_t)n * yoco_dtype_bytes(a->table_dtype));
    charge_bytes((double)n * F32_BYTES);
}

static void rms_norm(yoco_device *device, const yoco_rms_norm_args *a)
{
    (void)device;
    int stores = a->accumulate ? 2 : 1;
    charge_bytes((double)(a->n_rows * a->dim) * (F32_BYTES + stores * bytes_of(a->out_dtype)));
}

static void layer_norm(yoco_device *device, const yoco_layer_norm_args *a)
{
    (void)device;
    charge_bytes((double)(a->n_rows * a->dim) * (F32_BYTES + bytes_of(a->out_dtype)));
}

static void linear(const yoco_device *device, const yoco_linear_args *a, yoco_work_kind kind)
{
    for (; a; a = a->next)
        charge(YOCO_TALLY_REPEATED,
               yoco_work_linear(kind, a->n_rows, a->weight->n_out, a->weight->n_in,
                                yoco_dtype_bytes(device->dtype), a->accumulate));
}

static void linear_slabs(yoco_device *device, const yoco_linear_args *a)
{
    linear(device, a, YOCO_WORK_SLABS);
}

static void linear_rows(yoco_device *device, const yoco_linear_args *a)
{
    linear(device, a, YOCO_WORK_ROWS);
}

static void rope_table(yoco_device *device, const yoco_rope_table_args *a)
{
    (void)device;
    charge_bytes(2 * F32_BYTES * (double)(a->n_rows * a->n_freqs));
}

static void rope(yoco_device *device, const yoco_rope_args *a)
{
    (void)device;
    for (; a; a = a->next)
        charge_bytes((double)(a->n_rows * a->n_heads * a->head_dim) *
                     (F32_BYTES + bytes_of(a->out_dtype)));
}

static void add_bias(yoco_device *device, const yoco_bias_args *a)
{
    (void)device;
    for (; a; a = a->next)
        charge_bytes(F32_BYTES * (double)a->n * (double)(2 * a->n_rows + 1));
}

static void cast(yoco_device *device, const yoco_cast_args *a)
{
    (void)device;
    charge_bytes((double)a->n * (F32_BYTES + bytes_of(a->out_dtype)));
}

static void swiglu(yoco_device *device, const yoco_swiglu_args *a)
{
    (void)device;
    charge_bytes((double)a->n * (2 * F32_BYTES + bytes_of(a->out_dtype)));
}

static void soft_cap(yoco_device *device, const yoco_soft_cap_args *a)
{
    (void)device;
    charge_bytes((double)a->n * 2 * F32_BYTES);
}

static const yoco_dense_ops dense_ops = {
    .embed = embed,
    .gather = gather,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .linear_slabs = linear_slabs,
    .linear_rows = linear_rows,
    .rope_table = rope_table,
    .rope = rope,
    .add_bias = add_bias,
    .cast = cast,
    .swiglu = swiglu,
    .geglu = swiglu,
    .glu = swiglu,
    .soft_cap = soft_cap,
};
static yoco_widths widths_of(int n_heads, int n_k_heads, int n_v_heads, int k_dim, int v_dim)
{
    return (yoco_widths){.q = (int64_t)n_heads * k_dim,
                         .k = (int64_t)n_k_heads * k_dim,
                         .v = (int64_t)n_v_heads * v_dim,
                         .out = (int64_t)n_heads * v_dim};
}

static void window_attend(yoco_device *device, const yoco_window_args *a)
{
    (void)device;
    const yoco_widths widths =
        widths_of(a->n_heads, a->n_kv_heads, a->n_v_heads, a->head_dim, a->v_dim);
    charge(YOCO_TALLY_REPEATED, yoco_work_window(a->n_edge, a->q_begin, a->q_end, a->window,
                                                 &widths, yoco_dtype_bytes(a->kv_dtype)));
}

static void window_step(yoco_device *device, const yoco_window_step_args *a)
{
    (void)device;
    int64_t n_rows = 0;
    const yoco_widths widths =
        widths_of(a->n_heads, a->n_kv_heads, a->n_v_heads, a->head_dim, a->v_dim);
    for (int64_t i = 0; i < a->n_queries; i++)
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++)
            n_rows += a->views[i].n_rows[part];
    charge(YOCO_TALLY_REPEATED,
           yoco_work_attend(1, n_rows, &widths, yoco_dtype_bytes(a->kv_dtype), 0));
}

static const yoco_window_ops window_ops = {
    .attend = window_attend,
    .step = window_step,
};

static void causal_attend(yoco_device *device, const yoco_causal_args *a)
{
    (void)device;
    const yoco_widths widths =
        widths_of(a->n_heads, a->n_kv_heads, a->n_v_heads, a->head_dim, a->v_dim);
    charge(YOCO_TALLY_REPEATED, yoco_work_causal(a->n_queries, a->n_rows, a->diagonal, &widths,
                                                 yoco_dtype_bytes(a->kv_dtype)));
}

static const yoco_causal_ops causal_ops = {.attend = causal_attend};

static void retention_local(yoco_device *device, const yoco_retention_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED,
           yoco_work_retention_local(a->n_rows, (int64_t)a->n_heads * a->head_dim, a->head_dim));
}

static void retention_scan(yoco_device *device, const yoco_retention_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED,
           yoco_work_retention_scan(a->n_rows, (int64_t)a->n_heads * a->head_dim, a->head_dim));
}

static void retention_correct(yoco_device *device, const yoco_retention_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED,
           yoco_work_retention_correct(a->n_rows, (int64_t)a->n_heads * a->head_dim, a->head_dim));
}

static void retention_step(yoco_device *device, const yoco_retention_step_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED,
           yoco_work_retention_step(a->n_rows, (int64_t)a->n_heads * a->head_dim, a->head_dim));
}

static const yoco_retention_ops retention_ops = {
    .local = retention_local,
    .scan = retention_scan,
    .correct = retention_correct,
    .step = retention_step,
};

static void conv_round(yoco_device *device, const yoco_conv_args *a)
{
    (void)device;
    for (; a; a = a->next)
        charge_bytes((double)(a->n_rows * a->n_channels) * (F32_BYTES + bytes_of(a->dtype)));
}

static void conv_piece(yoco_device *device, const yoco_conv_args *a)
{
    conv_round(device, a);
}

static void conv_step(yoco_device *device, const yoco_conv_step_args *a)
{
    (void)device;
    for (; a; a = a->next)
        charge_bytes((double)(a->n_rows * a->n_channels) *
                     (F32_BYTES + a->n_taps * bytes_of(a->dtype)));
}

static const yoco_conv_ops conv_ops = {.round = conv_round, .piece = conv_piece, .step = conv_step};

static void delta_prepare(yoco_device *device, const yoco_delta_prepare_args *a)
{
    (void)device;
    charge_bytes(2 * F32_BYTES *
                 (double)(2 * a->n_rows * (a->n_qk_heads * (int64_t)a->k_dim + a->n_heads)));
}

static void delta_local(yoco_device *device, const yoco_delta_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_delta_local(a->n_rows, a->n_heads, a->k_dim, a->v_dim));
}

static void delta_scan(yoco_device *device, const yoco_delta_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_delta_scan(a->n_rows, a->n_heads, a->k_dim, a->v_dim));
}

static void delta_out(yoco_device *device, const yoco_delta_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_delta_out(a->n_rows, a->n_heads, a->k_dim, a->v_dim));
}

static void delta_step(yoco_device *device, const yoco_delta_step_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_delta_step(a->n_rows, a->n_heads, a->k_dim, a->v_dim));
}

static const yoco_delta_ops delta_ops = {.prepare = delta_prepare,
                                         .local = delta_local,
                                         .scan = delta_scan,
                                         .out = delta_out,
                                         .step = delta_step};

static void mamba_local(yoco_device *device, const yoco_mamba_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_mamba_local(a->n_rows, a->n_channels, a->n_states));
}

static void mamba_scan(yoco_device *device, const yoco_mamba_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_mamba_scan(a->n_channels, a->n_states));
}

static void mamba_correct(yoco_device *device, const yoco_mamba_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_mamba_correct(a->n_rows, a->n_channels, a->n_states));
}

static void mamba_step(yoco_device *device, const yoco_mamba_step_args *a)
{
    (void)device;
    charge(YOCO_TALLY_REPEATED, yoco_work_mamba_step(a->n_rows, a->n_channels, a->n_states));
}

static const yoco_mamba_ops mamba_ops = {
    .local = mamba_local,
    .scan = mamba_scan,
    .correct = mamba_correct,
    .step = mamba_step,
};

static void combine(yoco_device *device, const yoco_differential_args *a)
{
    (void)device;
    charge_bytes((double)(a->n_rows * a->n_pairs * a->dim) *
                 (2 * F32_BYTES + bytes_of(a->out_dtype)));
}

static const yoco_differential_ops differential_ops = {.combine = combine};

static int64_t count_partials(const yoco_attend_args *a)
{
    int64_t n = 0;
    for (int i = 0; i < a->n_segments; i++)
        n += a->segments[i].n_queries *
             yoco_kv_n_blocks(a->segments[i].n_rows, a->segments[i].chunk_rows);
    return n;
}

static void attend_partials(yoco_device *device, const yoco_attend_args *a)
{
    const yoco_widths widths =
        widths_of(a->n_heads, a->n_kv_heads, a->n_v_heads, a->head_dim, a->v_dim);
    for (int i = 0; i < a->n_segments; i++) {
        const yoco_kv_segment *s = &a->segments[i];
        if (s->n_rows > 0)
            charge(YOCO_TALLY_ATTENTION,
                   yoco_work_attend(s->n_queries, s->n_rows, &widths, yoco_dtype_bytes(a->kv_dtype),
                                    s->n_queries * yoco_kv_n_blocks(s->n_rows, s->chunk_rows)));
    }
    /* The maxima of the partials. */
    charge_part_bytes(YOCO_TALLY_ATTENTION,
                      F32_BYTES * (double)(count_partials(a) * a->n_heads * (1 + a->v_dim)));
    device->is_merging = true;
}

static void merge_sum(yoco_device *device, const yoco_attend_args *a)
{
    (void)device;
    charge_part_bytes(YOCO_TALLY_ATTENTION,
                      (double)(a->n_heads * (1 + a->v_dim)) *
                          (F32_BYTES * (double)count_partials(a) + 8 * (double)a->n_queries));
}

static void merge_finish(yoco_device *device, const yoco_attend_args *a)
{
    device->is_merging = false;
    charge_part_bytes(YOCO_TALLY_MERGE, (double)(a->n_queries * a->n_heads * a->v_dim) *
                                            (8 + bytes_of(a->out_dtype)));
}

static const yoco_attend_ops attend_ops = {
    .partials = attend_partials,
    .merge_sum = merge_sum,
    .merge_finish = merge_finish,
};

static void argmax(yoco_device *device, const yoco_argmax_args *a)
{
    (void)device;
    charge_bytes(F32_BYTES * (double)(a->n_rows * a->n));
    for (int64_t row = 0; row < a->n_rows; row++)
        a->out[row] = 0;
}

static void draw(yoco_device *device, const yoco_draw_args *a)
{
    (void)device;
    charge_bytes(F32_BYTES * (double)(a->n_rows * a->n));
    for (int64_t row = 0; row < a->n_rows; row++)
        a->out[row] = 0;
}

static const yoco_choose_ops choose_ops = {
    .argmax = argmax,
    .draw = draw,
};

const yoco_ops yoco_tally_ops = {
    .name = "tally",
    .host_memory = true,
    .device_at = device_at,
    .describe = describe,
    .weight_bytes = weight_bytes,
    .open = open_device,
    .close = close_device,
    .synchronize = synchronize,
    .alloc = alloc_buffer,
    .free = free_buffer,
    .alloc_shared = alloc_buffer,
    .free_shared = free_buffer,
    .upload = upload,
    .download = download,
    .fetch = fetch,
    .copy = copy_bytes,
    .copy_rows = copy_rows,
    .zero = zero,
    .memory_in_use = memory_in_use,
    .hash = hash,
    .weight_create = weight_create,
    .weight_free = weight_free,
    .dense = &dense_ops,
    .window = &window_ops,
    .causal = &causal_ops,
    .retention = &retention_ops,
    .conv = &conv_ops,
    .delta = &delta_ops,
    .attend = &attend_ops,
    .choose = &choose_ops,
    .mamba = &mamba_ops,
    .differential = &differential_ops,
};
