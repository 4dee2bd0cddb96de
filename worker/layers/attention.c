/* Attention over K,V of the layer's own, of all rows before. A chunk of the prefill takes the rows
 * of the chunks before it one after the other; rows of branches merge, as they do where a layer
 * reads what another one keeps. */
#include "worker/layers/attention.h"
#include "kernels/ops_causal.h"
#include "worker/layers/differential.h"
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"
#include "worker/relay.h"

static const yoco_store *store_of(const yoco_pass *p)
{
    return &p->w->stores[p->layer->store];
}

/* Of the last layer that keeps a past, prefill needs no more than K and V. */
static yoco_status keep(yoco_pass *p)
{
    const yoco_store *store = store_of(p);
    void *k = yoco_store_rows(p, store, 0), *v = yoco_store_rows(p, store, 1);
    if (p->ends_here)
        yoco_make_kv(p, k, v);
    else
        yoco_make_qkv(p, k, v);
    yoco_store_append(p, store);
    return YOCO_OK;
}

/* The chunk's queries over the rows of one chunk, its own the last. */
static void attend(yoco_pass *p, const float *q, int64_t chunk, const yoco_run *run)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    const yoco_causal_scratch at = yoco_causal_scratch_of(s, p->n_rows);
    char *scratch = w->buffers[YOCO_BUF_SCRATCH];
    yoco_dtype out_dtype;
    void *out = yoco_heads_out(p, &out_dtype);
    w->ops->causal->attend(w->device,
                           &(yoco_causal_args){.n_queries = p->n_rows,
                                               .n_rows = run->n_rows,
                                               .diagonal = chunk < p->chunk ? run->n_rows : 0,
                                               .n_heads = s->n_heads,
                                               .n_kv_heads = s->n_kv_heads,
                                               .n_v_heads = yoco_layer_v_heads(s),
                                               .head_dim = s->k_dim,
                                               .v_dim = s->v_dim,
                                               .scale_log2 = yoco_scale_log2(s),
                                               .first = chunk == 0,
                                               .last = chunk == p->chunk,
                                               .q = q,
                                               .kv_dtype = w->model->dtype,
                                               .k = run->k,
                                               .v = run->v,
                                               .max = (float *)(void *)scratch,
                                               .sum = (float *)(void *)(scratch + at.sum),
                                               .partial = (float *)(void *)(scratch + at.out),
                                               .out_dtype = out_dtype,
                                               .out = out});
}

static yoco_status mix_chunk(yoco_pass *p, const float *q)
{
    const yoco_store *store = store_of(p);
    yoco_run run;
    YOCO_TRY(yoco_relay_open(p, store));
    for (int64_t chunk = 0; chunk <= p->chunk; chunk++) {
        YOCO_TRY(yoco_relay_take(p, store, chunk, &run));
        attend(p, q, chunk, &run);
    }
    return yoco_relay_close(p, store);
}

/* What queries give goes where the layer's heads put it, (n_rows, n_heads, v_dim). */
static yoco_status merge(yoco_pass *p, const float *q)
{
    yoco_dtype dtype;
    void *out = yoco_heads_out(p, &dtype);
    return yoco_store_attend(p, q, dtype, out);
}

static yoco_status mix(yoco_pass *p)
{
    const float *q = yoco_wide(p, YOCO_BUF_WIDE_A, 0); /* as keep left it */
    YOCO_TRY(p->chunk >= 0 ? mix_chunk(p, q) : merge(p, q));
    yoco_heads_combine(p);
    return YOCO_OK;
}

yoco_status yoco_attention_mix_shared(yoco_pass *p)
{
    YOCO_TRY(mix_chunk(p, yoco_make_q(p)));
    yoco_heads_combine(p);
    return YOCO_OK;
}

static yoco_status step(yoco_pass *p)
{
    const yoco_store *store = store_of(p);
    const float *q = yoco_make_qkv(p, yoco_store_rows(p, store, 0), yoco_store_rows(p, store, 1));
    yoco_store_append(p, store);
    YOCO_TRY(merge(p, q));
    yoco_heads_combine(p);
    return YOCO_OK;
}

const yoco_layer_ops yoco_attention_layer = {
    .needs = {{YOCO_OP_FAMILY(causal)}, {YOCO_OP_FAMILY(attend)}},
    .keep = keep,
    .mix = mix,
    .step = step,
    .value_bounds = yoco_value_bounds,
    .derive = yoco_heads_derive};
