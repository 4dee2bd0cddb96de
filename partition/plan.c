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

static void largest(size_t *bytes, size_t other)
{
    if (other > *bytes)
        *bytes = other;
}

static size_t tensor_bytes(const yoco_plan_input *in, const yoco_tensor_rule *rule)
{
    return rule->is_table ? sizeof(float) * (size_t)yoco_rule_elements(rule)
                          : in->weight_bytes(in->weight_data, rule->n_out, rule->n_in);
}

static void plan_weights(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    const yoco_model_shape *m = in->shape;
    yoco_tensor_rule rules[YOCO_N_ROLES];
    size_t bytes =
        sizeof(float) * ((size_t)m->dim * (m->final_norm_bias ? 2 : 1) + (size_t)m->embed_dim);
    for (int layer = 0; layer < m->n_layers; layer++)
        for (int i = yoco_layer_tensor_rules(&m->layers[layer], rules); i-- > 0;)
            bytes = plus(s, bytes, tensor_bytes(in, &rules[i]));
    if (in->rank == 0)
        bytes = plus(s, bytes, in->weight_bytes(in->weight_data, m->vocab_size, m->dim));
    p->weight_bytes = bytes;
    p->table_bytes = times(s, (int64_t)m->vocab_size * m->n_layers,
                           (size_t)m->embed_dim * yoco_dtype_bytes(in->file_dtype));
    p->embedding_bytes = times(s, m->vocab_size, (size_t)m->dim * yoco_dtype_bytes(in->file_dtype));
}

/* Rows of a question attend over those of all positions as its last one does in a step. */
static bool merges_questions(const yoco_model_shape *shape)
{
    for (int i = 0; i < shape->n_layers; i++)
        if (yoco_shape_passes_rows(shape, i))
            return true;
    return false;
}

bool yoco_plan_passes_rows(const yoco_plan_input *in)
{
    return in->grid.n_ranks > 1 && merges_questions(in->shape);
}

int64_t yoco_plan_passed_rows(const yoco_plan_input *in)
{
    int64_t own = in->stages_rows ? 0 : yoco_grid_rank_rows(&in->grid, in->rank);
    if (in->grid.n_ranks == 1)
        return 0;
    return in->drops_rows ? YOCO_PASSED_SLOTS * in->grid.chunk_rows : in->grid.n_tokens - own;
}

int64_t yoco_plan_passed_at(const yoco_plan_input *in, int64_t chunk)
{
    int64_t own_before = yoco_div_up(chunk - in->rank, in->grid.n_ranks);
    if (in->drops_rows)
        return chunk % YOCO_PASSED_SLOTS * in->grid.chunk_rows;
    return (chunk - (in->stages_rows ? 0 : yoco_i64_max(0, own_before))) * in->grid.chunk_rows;
}

static void plan_rows(const yoco_plan_input *in, yoco_plan *p)
{
    int64_t longest = yoco_i64_max(in->grid.n_tokens, in->branch_rows);
    p->piece_rows = yoco_i64_min(in->grid.chunk_rows, longest);
    p->rows = yoco_i64_max(p->piece_rows, in->n_branches);
    p->shard_rows = yoco_grid_rank_rows(&in->grid, in->rank);
    int64_t context_blocks =
        p->shard_rows / in->grid.chunk_rows * yoco_div_up(in->grid.chunk_rows, YOCO_BLOCK_ROWS) +
        yoco_div_up(p->shard_rows % in->grid.chunk_rows, YOCO_BLOCK_ROWS);
    int64_t branch_blocks = 0, most_blocks = 0;
    for (int b = 0; b < in->n_branches; b++) {
        int64_t rows = yoco_branch_rank_rows(b, in->branch_rows, in->rank, in->grid.n_ranks);
        p->branch_shard_rows += rows;
        branch_blocks += yoco_div_up(rows, YOCO_BLOCK_ROWS);
        most_blocks = yoco_i64_max(most_blocks, yoco_div_up(rows, YOCO_BLOCK_ROWS));
    }
    p->merge_queries = in->n_branches;
    if (merges_questions(in->shape))
        p->merge_queries =
            yoco_i64_max(in->n_branches, yoco_i64_min(in->branch_rows, YOCO_MIN_MERGE_QUERIES));
    p->n_partials = yoco_i64_max(context_blocks * in->n_branches + branch_blocks,
                                 (context_blocks + most_blocks) * p->merge_queries);
}

static void plan_merges(const yoco_plan_input *in, yoco_plan *p)
{
    for (int i = 0; i < in->shape->n_layers; i++) {
        const yoco_layer_shape *layer = &in->shape->layers[i];
        if (!yoco_shape_is_merged(in->shape, i))
            continue;
        p->n_merges++;
        p->merge_heads = yoco_i64_max(p->merge_heads, layer->n_heads);
        p->merge_width = yoco_i64_max(p->merge_width, yoco_layer_heads_width(layer));
    }
}

size_t yoco_plan_slot_bytes(const yoco_plan_input *in, const yoco_past_shape *past)
{
    return yoco_past_edge_bytes(past, in->grid.n_tokens + in->branch_rows, in->dtype);
}

size_t yoco_plan_branch_bytes(const yoco_plan_input *in, const yoco_past_shape *past)
{
    return yoco_past_branch_bytes(past, in->branch_rows, in->dtype);
}

/* Vectors are read from there. */
static size_t aligned(size_t bytes)
{
    enum { ALIGNMENT = 64 };
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t yoco_plan_past_work(const yoco_plan *p, const yoco_past_shape *past,
                           size_t at[YOCO_PAST_PARTS])
{
    const yoco_plan_input *in = &p->input;
    size_t end = past->form == YOCO_PAST_STATE ? aligned(yoco_past_state_bytes(past)) : 0;
    size_t n_rows =
        (size_t)(yoco_past_edge_rows(past, in->grid.n_tokens + in->branch_rows) + p->rows);
    for (int part = 0; part < YOCO_PAST_PARTS; part++) {
        at[part] = past->form == YOCO_PAST_WINDOW ? end : 0;
        if (past->form == YOCO_PAST_WINDOW)
            end += aligned(n_rows * yoco_past_row_bytes(past, part, in->dtype));
    }
    return end;
}

/* K and V of every position. */
static void plan_store(const yoco_plan_input *in, sizer *s, const yoco_past_shape *past,
                       yoco_plan *p)
{
    for (int part = 0; part < YOCO_PAST_PARTS; part++) {
        size_t row = yoco_past_row_bytes(past, part, in->dtype);
        size_t *shard = &p->buffer_bytes[YOCO_BUF_SHARD_K + part];
        size_t *branch = &p->buffer_bytes[YOCO_BUF_BRANCH_K + part];
        *shard = plus(s, *shard, times(s, p->shard_rows, row));
        *branch = plus(s, *branch, times(s, p->branch_shard_rows, row));
        largest(&p->buffer_bytes[YOCO_BUF_PIECE_K + part], times(s, p->rows, row));
    }
}

/* K and V of other ranks' positions. */
static void plan_passed(const yoco_plan_input *in, sizer *s, const yoco_past_shape *past,
                        yoco_plan *p)
{
    for (int part = 0; part < YOCO_PAST_PARTS; part++) {
        size_t *passed = &p->buffer_bytes[YOCO_BUF_PASSED_K + part];
        size_t bytes =
            times(s, yoco_plan_passed_rows(in), yoco_past_row_bytes(past, part, in->dtype));
        if (in->drops_rows)
            largest(passed, bytes);
        else
            *passed = plus(s, *passed, bytes);
        if (in->stages_rows)
            largest(&p->buffer_bytes[YOCO_BUF_RUN_K + part],
                    times(s, p->piece_rows, yoco_past_row_bytes(past, part, in->dtype)));
    }
}

/* Every past of every layer, and the work memory of the layer that takes the most. */
static void plan_past(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    size_t *bytes = p->buffer_bytes, at[YOCO_PAST_PARTS];
    for (int i = 0; i < in->shape->n_layers; i++) {
        yoco_past_shape pasts[YOCO_MAX_PASTS];
        int n = yoco_layer_pasts(&in->shape->layers[i], pasts);
        size_t work = 0;
        for (int j = 0; j < n; j++) {
            size_t slot = yoco_plan_slot_bytes(in, &pasts[j]);
            size_t branch = yoco_plan_branch_bytes(in, &pasts[j]);
            work = plus(s, work, yoco_plan_past_work(p, &pasts[j], at));
            bytes[YOCO_BUF_EDGE_IN] = plus(s, bytes[YOCO_BUF_EDGE_IN], slot);
            largest(&p->largest_slot_bytes, slot);
            p->branch_past_bytes = plus(s, p->branch_past_bytes, branch);
            if (pasts[j].form == YOCO_PAST_ROWS)
                plan_store(in, s, &pasts[j], p);
            if (pasts[j].form == YOCO_PAST_ROWS && yoco_shape_passes_rows(in->shape, i))
                plan_passed(in, s, &pasts[j], p);
        }
        largest(&bytes[YOCO_BUF_PAST], work);
    }
    bytes[YOCO_BUF_EDGE_OUT] = bytes[YOCO_BUF_CONTEXT_EDGE] = bytes[YOCO_BUF_EDGE_IN];
    bytes[YOCO_BUF_EDGE_COPY] = in->durable ? bytes[YOCO_BUF_EDGE_IN] : 0;
    bytes[YOCO_BUF_BRANCH_PAST] = times(s, in->n_branches, p->branch_past_bytes);
}

static void plan_layers(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    size_t *bytes = p->buffer_bytes, f32 = sizeof(float);
    for (int i = 0; i < in->shape->n_layers; i++) {
        const yoco_layer_shape *layer = &in->shape->layers[i];
        yoco_layer_wide wide = yoco_layer_wide_of(layer);
        largest(&bytes[YOCO_BUF_WIDE_A], times(s, p->rows, (size_t)wide.a * f32));
        largest(&bytes[YOCO_BUF_WIDE_B], times(s, p->rows, (size_t)wide.b * f32));
        largest(&bytes[YOCO_BUF_HIDDEN],
                times(s, p->rows,
                      (size_t)yoco_i64_max(layer->hidden_dim, layer->embed_dim) *
                          yoco_dtype_bytes(in->dtype)));
        largest(&bytes[YOCO_BUF_NORM],
                times(s, p->rows,
                      (size_t)yoco_i64_max(layer->dim, yoco_layer_out_width(layer)) *
                          yoco_dtype_bytes(in->dtype)));
        const yoco_layer_shape run = in->runs_all ? yoco_layer_for_all_rows(layer) : *layer;
        largest(&bytes[YOCO_BUF_SCRATCH], yoco_layer_scratch(&run, p->rows));
        if (layer->traits & YOCO_TRAIT_MEMORY)
            largest(&bytes[YOCO_BUF_MEMORY],
                    times(s, in->n_branches, (size_t)layer->n_channels * f32));
    }
}

static void plan_work(const yoco_plan_input *in, sizer *s, yoco_plan *p)
{
    const yoco_model_shape *m = in->shape;
    size_t *bytes = p->buffer_bytes, f32 = sizeof(float), flag = YOCO_MERGE_FLAGS * f32;
    size_t heads = (size_t)p->merge_heads, width = (size_t)p->merge_width, angles = 0;
    for (int i = 0; i < m->n_rotations; i++)
        angles += (size_t)yoco_rotation_pairs(&m->rotations[i]);

    /* a prefill runs the layers before the last that keeps a past, a step all */
    int64_t parts =
        yoco_i64_max(p->piece_rows * (in->runs_all ? m->n_layers : yoco_shape_last_kept(m)),
                     (int64_t)in->n_branches * m->n_layers);
    bytes[YOCO_BUF_EMBED] = times(s, parts, (size_t)m->embed_dim * f32);
    bytes[YOCO_BUF_X] = times(s, p->rows, (size_t)m->dim * f32);
    bytes[YOCO_BUF_IDS] = times(s, p->rows, sizeof(int32_t));
    bytes[YOCO_BUF_POSITIONS] = times(s, p->rows, sizeof(int64_t));
    bytes[YOCO_BUF_COS] = bytes[YOCO_BUF_SIN] = times(s, p->rows, angles * f32);

    bytes[YOCO_BUF_PARTIAL_MAX] = bytes[YOCO_BUF_PARTIAL_SUM] =
        times(s, p->n_partials, heads * f32);
    bytes[YOCO_BUF_PARTIAL_OUT] = times(s, p->n_partials, width * f32);
    bytes[YOCO_BUF_GLOBAL_MAX] =
        times(s, p->merge_queries, heads * f32) + times(s, 1 + 2 * p->n_merges, flag);
    bytes[YOCO_BUF_FIXED] = times(s, p->merge_queries, (heads + width) * sizeof(int64_t));
    if (in->rank == 0)
        bytes[YOCO_BUF_LOGITS] = times(s, in->n_branches, (size_t)m->vocab_size * f32);
}

yoco_status yoco_plan_make(const yoco_plan_input *input, yoco_plan *out)
{
    yoco_plan plan = {.input = *input, .runtime_bytes = RUNTIME_BYTES + input->device_bytes};
    sizer s = {false};
    plan_rows(input, &plan);
    plan_merges(input, &plan);
    plan_weights(input, &s, &plan);
    plan_past(input, &s, &plan);
    plan_layers(input, &s, &plan);
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
    if (buffer <= YOCO_BUF_RUN_V)
        return "K,V of other ranks";
    if (buffer <= YOCO_BUF_CONTEXT_EDGE)
        return "edges";
    if (buffer <= YOCO_BUF_BRANCH_PAST)
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
        {"K,V of other ranks", sum_buffers(p, YOCO_BUF_PASSED_K, YOCO_BUF_RUN_V)},
        {"edges", sum_buffers(p, YOCO_BUF_EDGE_IN, YOCO_BUF_CONTEXT_EDGE)},
        {"branches: K,V, windows or states",
         sum_buffers(p, YOCO_BUF_BRANCH_K, YOCO_BUF_BRANCH_PAST)},
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
    if (p->table_bytes > 0 && used < size)
        snprintf(text + used, size - used, "  %-34s %12.1f MiB\n", "per-layer table, beside that",
                 (double)p->table_bytes / (1 << 20));
}
