#include "partition/plan.h"

#include <stdio.h>
#include <string.h>

enum {
    /* Resident memory of the program itself: MPI, UCX and oneDNN with their buffers and code,
     * measured with a tiny model (docs/PERFORMANCE.md, "Memory"). */
    RUNTIME_BYTES = 24 << 20,
};

/* Sizes are summed with a sticky overflow flag, so that the formulas below read as formulas. */
typedef struct sizer {
    bool overflow;
} sizer;

static size_t times(sizer *s, int64_t a, size_t b)
{
    size_t product = 0;
    if (a < 0 || !yoco_size_mul((size_t)a, b, &product))
        s->overflow = true;
    return product;
}

static size_t plus(sizer *s, size_t a, size_t b)
{
    size_t sum = 0;
    if (!yoco_size_add(a, b, &sum))
        s->overflow = true;
    return sum;
}

static size_t layer_weights(const yoco_plan_input *in, bool self)
{
    const yoco_model_config *c = in->config;
    const void *w = in->weight_context;
    size_t square = in->weight_bytes(w, c->dim, c->dim);
    size_t bytes = 2 * square + 2 * in->weight_bytes(w, c->hidden_dim, c->dim) +
                   in->weight_bytes(w, c->dim, c->hidden_dim) + 2 * sizeof(float) * (size_t)c->dim;
    if (self)
        bytes += 2 * square;
    if (self && yoco_config_is_retention(c))
        bytes += square + in->weight_bytes(w, c->n_self_heads, c->dim);
    return bytes;
}

static void plan_weights(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    const yoco_model_config *c = in->config;
    size_t bytes = times(s, yoco_config_n_self_layers(c),
                         plus(s, layer_weights(in, true), layer_weights(in, false)));
    bytes = plus(s, bytes, 2 * in->weight_bytes(in->weight_context, yoco_config_kv_dim(c), c->dim));
    bytes = plus(s, bytes, 2 * sizeof(float) * (size_t)c->dim);
    if (in->rank == 0)
        bytes = plus(s, bytes, in->weight_bytes(in->weight_context, c->vocab_size, c->dim));
    p->weight_bytes = bytes;
    p->embedding_bytes = times(s, c->vocab_size, (size_t)c->dim * yoco_dtype_bytes(in->file_dtype));
}

static void plan_rows(const yoco_plan_input *in, yoco_plan *p)
{
    const yoco_model_config *c = in->config;
    int64_t longest = yoco_i64_max(in->grid.n_tokens, in->branch_rows);
    p->piece_rows = yoco_i64_min(in->grid.chunk_rows, longest);
    p->rows = yoco_i64_max(p->piece_rows, in->n_branches);
    p->shard_rows = yoco_grid_rank_rows(&in->grid, in->rank);
    if (!yoco_config_is_retention(c)) {
        p->edge_rows = yoco_i64_min(c->sliding_window - 1, in->grid.n_tokens + in->branch_rows);
        p->ring_rows = yoco_i64_min(c->sliding_window, in->branch_rows);
    }
    int64_t context_blocks =
        p->shard_rows / in->grid.chunk_rows * yoco_div_up(in->grid.chunk_rows, YOCO_BLOCK_ROWS) +
        yoco_div_up(p->shard_rows % in->grid.chunk_rows, YOCO_BLOCK_ROWS);
    p->n_partials = context_blocks * in->n_branches;
    for (int b = 0; b < in->n_branches; b++) {
        int64_t rows = yoco_branch_rank_rows(b, in->branch_rows, in->rank, in->grid.n_ranks);
        p->branch_shard_rows += rows;
        p->n_partials += yoco_div_up(rows, YOCO_BLOCK_ROWS);
    }
}

static void plan_past(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    const yoco_model_config *c = in->config;
    size_t *bytes = p->buffer_bytes;
    size_t element = yoco_dtype_bytes(in->dtype), row = (size_t)c->dim * element;
    size_t kv_row = (size_t)yoco_config_kv_dim(c) * element;
    int64_t head_dim = yoco_config_self_head_dim(c);
    size_t state = times(s, head_dim * head_dim, (size_t)c->n_self_heads * sizeof(float));
    bool retention = yoco_config_is_retention(c);

    p->edge_bytes = retention ? state : 2 * times(s, p->edge_rows, row);
    p->branch_self_bytes = retention ? state : 2 * times(s, p->ring_rows, row);
    bytes[YOCO_BUF_SHARD_K] = bytes[YOCO_BUF_SHARD_V] = times(s, p->shard_rows, kv_row);
    bytes[YOCO_BUF_BRANCH_K] = bytes[YOCO_BUF_BRANCH_V] = times(s, p->branch_shard_rows, kv_row);
    bytes[YOCO_BUF_EDGE_IN] = bytes[YOCO_BUF_EDGE_OUT] = bytes[YOCO_BUF_CONTEXT_EDGE] =
        times(s, yoco_config_n_self_layers(c), p->edge_bytes);
    bytes[YOCO_BUF_EDGE_COPY] = in->durable ? bytes[YOCO_BUF_EDGE_OUT] : 0;
    bytes[YOCO_BUF_BRANCH_SELF] =
        times(s, (int64_t)in->n_branches * yoco_config_n_self_layers(c), p->branch_self_bytes);
    if (retention) {
        bytes[YOCO_BUF_STATE] = state;
        bytes[YOCO_BUF_BLOCK_STATE] =
            times(s, yoco_div_up(p->piece_rows, YOCO_RETENTION_ROWS), state);
    } else {
        bytes[YOCO_BUF_WINDOW_K] = bytes[YOCO_BUF_WINDOW_V] = times(s, p->edge_rows + p->rows, row);
    }
}

static void plan_work(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    const yoco_model_config *c = in->config;
    size_t *bytes = p->buffer_bytes;
    size_t element = yoco_dtype_bytes(in->dtype), f32 = sizeof(float);
    int64_t dim = c->dim, hidden = c->hidden_dim, heads = c->n_attn_heads;
    int64_t half = yoco_config_head_dim(c) / 2, self_half = yoco_config_self_head_dim(c) / 2;

    bytes[YOCO_BUF_X] = times(s, p->rows, (size_t)dim * f32);
    bytes[YOCO_BUF_NORM] = times(s, p->rows, (size_t)dim * element);
    bytes[YOCO_BUF_WIDE_A] = times(s, p->rows, (size_t)yoco_i64_max(hidden, 3 * dim) * f32);
    bytes[YOCO_BUF_WIDE_B] = times(s, p->rows, (size_t)yoco_i64_max(hidden, 2 * dim) * f32);
    bytes[YOCO_BUF_HIDDEN] = times(s, p->rows, (size_t)hidden * element);
    bytes[YOCO_BUF_PIECE_K] = bytes[YOCO_BUF_PIECE_V] =
        times(s, p->rows, (size_t)yoco_config_kv_dim(c) * element);
    bytes[YOCO_BUF_IDS] = times(s, p->rows, sizeof(int32_t));
    bytes[YOCO_BUF_POSITIONS] = times(s, p->rows, sizeof(int64_t));
    bytes[YOCO_BUF_SELF_COS] = bytes[YOCO_BUF_SELF_SIN] =
        times(s, p->rows, (size_t)self_half * f32);
    if (half != self_half)
        bytes[YOCO_BUF_COS] = bytes[YOCO_BUF_SIN] = times(s, p->rows, (size_t)half * f32);
    if (yoco_config_is_retention(c))
        bytes[YOCO_BUF_GATE] = bytes[YOCO_BUF_DECAY] =
            times(s, p->rows, (size_t)c->n_self_heads * f32);

    bytes[YOCO_BUF_PARTIAL_MAX] = bytes[YOCO_BUF_PARTIAL_SUM] =
        times(s, p->n_partials, (size_t)heads * f32);
    bytes[YOCO_BUF_PARTIAL_OUT] = times(s, p->n_partials, (size_t)dim * f32);
    bytes[YOCO_BUF_GLOBAL_MAX] =
        times(s, in->n_branches, (size_t)heads * f32) +
        times(s, 1 + 2 * (c->n_layers - yoco_config_n_self_layers(c)), YOCO_MERGE_FLAGS * f32);
    bytes[YOCO_BUF_FIXED] = times(s, in->n_branches, (size_t)(heads + dim) * sizeof(int64_t));
    if (in->rank == 0)
        bytes[YOCO_BUF_LOGITS] = times(s, in->n_branches, (size_t)c->vocab_size * f32);
}

yoco_status yoco_plan_make(const yoco_plan_input *input, yoco_plan *out)
{
    yoco_plan plan = {.input = *input, .runtime_bytes = RUNTIME_BYTES + input->device_bytes};
    sizer s = {false};
    plan_rows(input, &plan);
    plan_weights(input, &s, &plan);
    plan_past(input, &s, &plan);
    plan_work(input, &s, &plan);
    plan.token_bytes = times(&s, input->grid.n_tokens, sizeof(int32_t));

    size_t total = plus(&s, plan.weight_bytes, plan.embedding_bytes);
    total = plus(&s, total, plus(&s, plan.token_bytes, plan.runtime_bytes));
    for (int i = 0; i < YOCO_N_BUFFERS; i++)
        total = plus(&s, total, plan.buffer_bytes[i]);
    plan.total_bytes = total;
    if (s.overflow) {
        yoco_log_error("a plan for %lld tokens in chunks of %lld and %d branches overflows: use a "
                       "smaller --chunk, fewer tokens or fewer branches",
                       (long long)input->grid.n_tokens, (long long)input->grid.chunk_rows,
                       input->n_branches);
        return YOCO_ERR_DATA;
    }
    *out = plan;
    return YOCO_OK;
}

const char *yoco_buffer_name(yoco_buffer buffer)
{
    if (buffer <= YOCO_BUF_SHARD_V)
        return "the context's shared K,V";
    if (buffer <= YOCO_BUF_CONTEXT_EDGE)
        return "edges";
    if (buffer <= YOCO_BUF_BRANCH_SELF)
        return "branches";
    return buffer <= YOCO_BUF_SIN ? "activations" : "merge and logits";
}

static size_t sum_buffers(const yoco_plan *p, int first, int last)
{
    size_t bytes = 0;
    for (int i = first; i <= last; i++)
        bytes += p->buffer_bytes[i];
    return bytes;
}

void yoco_plan_print(const yoco_plan *p, char *text, size_t size)
{
    const struct {
        const char *name;
        size_t bytes;
    } lines[] = {
        {"weights", p->weight_bytes},
        {"embedding (mapped file)", p->embedding_bytes},
        {"shared K,V of the context", sum_buffers(p, YOCO_BUF_SHARD_K, YOCO_BUF_SHARD_V)},
        {"edges of the self-decoder", sum_buffers(p, YOCO_BUF_EDGE_IN, YOCO_BUF_CONTEXT_EDGE)},
        {"branches: K,V, windows or states",
         sum_buffers(p, YOCO_BUF_BRANCH_K, YOCO_BUF_BRANCH_SELF)},
        {"work: activations", sum_buffers(p, YOCO_BUF_X, YOCO_BUF_SIN)},
        {"work: merge and logits", sum_buffers(p, YOCO_BUF_PARTIAL_MAX, YOCO_BUF_LOGITS)},
        {"token ids", p->token_bytes},
        {"program, MPI and libraries", p->runtime_bytes},
        {"total", p->total_bytes},
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof lines / sizeof *lines && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "  %-34s %12.1f MiB\n", lines[i].name,
                                 (double)lines[i].bytes / (1 << 20));
}
