/* Rows of every position: those of the context lie in the shards of the chunks' owners, those of a
 * branch in blocks, block j of branch b on rank (b + j) mod n_ranks; every rank computes them all.
 */
#include "worker/past/past.h"

static yoco_buffer part_of(yoco_buffer k, int part)
{
    return k + (yoco_buffer)part;
}

char *yoco_store_shard(const yoco_worker *w, const yoco_store *store, int part)
{
    return yoco_bytes(w, part_of(YOCO_BUF_SHARD_K, part)) + store->shard_at[part];
}

char *yoco_store_branch(const yoco_worker *w, const yoco_store *store, int branch, int part)
{
    return yoco_bytes(w, part_of(YOCO_BUF_BRANCH_K, part)) + store->branch_at[part] +
           (size_t)w->branch_first_row[branch] * store->row_bytes[part];
}

/* A chunk's are made where they stay. */
void *yoco_store_rows(const yoco_pass *p, const yoco_store *store, int part)
{
    yoco_worker *w = p->w;
    if (p->chunk < 0)
        return w->buffers[part_of(YOCO_BUF_PIECE_K, part)];
    int64_t row = yoco_grid_shard_row(&w->plan.input.grid, p->chunk);
    return yoco_store_shard(w, store, part) + (size_t)row * store->row_bytes[part];
}

/* Where row `row` of a branch lies on this rank; false: on another one. */
static bool own_row(const yoco_worker *w, const yoco_store *store, int branch, int64_t row,
                    char *out[YOCO_PAST_PARTS])
{
    int n_ranks = w->comm->n_ranks;
    if (yoco_branch_owner(branch, row / YOCO_BLOCK_ROWS, n_ranks) != w->comm->rank)
        return false;
    for (int part = 0; part < YOCO_PAST_PARTS; part++)
        out[part] = yoco_store_branch(w, store, branch, part) +
                    (size_t)yoco_branch_shard_row(row, n_ranks) * store->row_bytes[part];
    return true;
}

static char *made_row(const yoco_worker *w, const yoco_store *store, int part, int64_t row)
{
    return yoco_bytes(w, part_of(YOCO_BUF_PIECE_K, part)) + (size_t)row * store->row_bytes[part];
}

/* The rows of a piece, block by block. */
static void append_piece(yoco_pass *p, const yoco_store *store)
{
    yoco_worker *w = p->w;
    int64_t row = w->branch_n_rows[p->branch];
    char *to[YOCO_PAST_PARTS];
    for (int64_t done = 0, n; done < p->n_rows; done += n) {
        int64_t at = row + done;
        n = yoco_i64_min(YOCO_BLOCK_ROWS - at % YOCO_BLOCK_ROWS, p->n_rows - done);
        if (!own_row(w, store, p->branch, at, to))
            continue;
        for (int part = 0; part < YOCO_PAST_PARTS; part++)
            w->ops->copy(w->device, to[part], made_row(w, store, part, done),
                         (size_t)n * store->row_bytes[part]);
    }
}

void yoco_store_append(yoco_pass *p, const yoco_store *store)
{
    yoco_worker *w = p->w;
    if (p->chunk >= 0)
        return;
    if (p->port) {
        append_piece(p, store);
        return;
    }
    int64_t n = 0, n_own = 0;
    char *to[YOCO_PAST_PARTS];
    for (int64_t i = 0; i < p->n_rows; i++)
        n_own += own_row(w, store, p->branches[i], w->branch_n_rows[p->branches[i]], to);
    for (int64_t i = 0; i < p->n_rows; i++) {
        if (!own_row(w, store, p->branches[i], w->branch_n_rows[p->branches[i]], to))
            continue;
        for (int part = 0; part < YOCO_PAST_PARTS; part++)
            w->copies[part * n_own + n] = (yoco_row_copy){to[part], made_row(w, store, part, i)};
        n++;
    }
    yoco_past_copy_rows(w, n_own, store->row_bytes);
}

static int64_t add_segment(yoco_worker *w, int index, yoco_kv_segment segment)
{
    w->segments[index] = segment;
    return segment.first_partial +
           segment.n_queries * yoco_kv_n_blocks(segment.n_rows, segment.chunk_rows);
}

/* Segment 0: the context, for queries first .. first + n - 1 of the pass. One more for each: the
 * rows of its branch up to its own. */
static int make_segments(yoco_pass *p, const yoco_store *store, int64_t first, int64_t n)
{
    yoco_worker *w = p->w;
    const yoco_grid *grid = &w->plan.input.grid;
    int64_t partial = add_segment(w, 0,
                                  (yoco_kv_segment){.n_queries = n,
                                                    .n_rows = w->plan.shard_rows,
                                                    .chunk_rows = grid->chunk_rows,
                                                    .k = yoco_store_shard(w, store, 0),
                                                    .v = yoco_store_shard(w, store, 1)});
    for (int i = 0; i < n; i++) {
        int branch = p->port ? p->branch : p->branches[first + i];
        int64_t rows = w->branch_n_rows[branch] + 1 + (p->port ? first + i : 0);
        partial =
            add_segment(w, 1 + i,
                        (yoco_kv_segment){.first_query = i,
                                          .n_queries = 1,
                                          .n_rows = yoco_branch_rank_rows(
                                              branch, rows, w->plan.input.rank, grid->n_ranks),
                                          .chunk_rows = YOCO_BLOCK_ROWS,
                                          .k = yoco_store_branch(w, store, branch, 0),
                                          .v = yoco_store_branch(w, store, branch, 1),
                                          .first_partial = partial});
    }
    return 1 + (int)n;
}

static yoco_status attend_rows(yoco_pass *p, int64_t first, int64_t n, const float *q,
                               yoco_dtype out_dtype, char *out)
{
    yoco_worker *w = p->w;
    const yoco_layer_shape *s = p->layer->shape;
    const size_t out_bytes = (size_t)yoco_layer_heads_width(s) * yoco_dtype_bytes(out_dtype);
    const yoco_attend_args args = {.n_queries = n,
                                   .n_heads = s->n_heads,
                                   .n_kv_heads = s->n_kv_heads,
                                   .n_v_heads = yoco_layer_v_heads(s),
                                   .head_dim = s->k_dim,
                                   .v_dim = s->v_dim,
                                   .scale_log2 = yoco_scale_log2(s),
                                   .n_segments =
                                       make_segments(p, &w->stores[p->layer->store], first, n),
                                   .segments = w->segments,
                                   .kv_dtype = w->model->dtype,
                                   .q = q + first * yoco_layer_q_width(s),
                                   .max = yoco_f32(w, YOCO_BUF_PARTIAL_MAX),
                                   .sum = yoco_f32(w, YOCO_BUF_PARTIAL_SUM),
                                   .partial = yoco_f32(w, YOCO_BUF_PARTIAL_OUT),
                                   .l_exponent = w->model->l_exponent,
                                   .o_exponent = p->layer->read_exponent,
                                   .global_max = yoco_f32(w, YOCO_BUF_GLOBAL_MAX),
                                   .bad = &w->bad,
                                   .fixed = w->buffers[YOCO_BUF_FIXED],
                                   .out_dtype = out_dtype,
                                   .out = out + (size_t)first * out_bytes};
    w->ops->attend->partials(w->device, &args);
    return yoco_merge(w, &args);
}

/* The rows of a piece, as many as merge at a time. */
static yoco_status attend_piece(yoco_pass *p, const float *q, yoco_dtype out_dtype, void *out)
{
    yoco_worker *w = p->w;
    for (int64_t first = 0, n; first < p->n_rows; first += n) {
        n = yoco_i64_min(w->plan.merge_queries, p->n_rows - first);
        w->bad = 0;
        w->n_merges = 0;
        YOCO_TRY(attend_rows(p, first, n, q, out_dtype, out));
        YOCO_TRY(w->ops->synchronize(w->device));
        YOCO_TRY(yoco_merge_check(w));
    }
    return YOCO_OK;
}

yoco_status yoco_store_attend(yoco_pass *p, const float *q, yoco_dtype out_dtype, void *out)
{
    return p->port ? attend_piece(p, q, out_dtype, out)
                   : attend_rows(p, 0, p->n_rows, q, out_dtype, out);
}
