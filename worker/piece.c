/* A piece of consecutive rows through the layers, as far as anything is remembered of it: prefill
 * stops there. What needs no past is computed before an edge is waited for, and an edge leaves as
 * soon as it can. */
#include "worker/layers/layers.h"
#include "worker/staging.h"

static yoco_status run_layer(yoco_pass *p, bool is_last)
{
    const yoco_layer *layer = p->layer;
    if (!layer->ops->keep && !layer->ops->mix)
        return YOCO_OK;
    yoco_norm_rows(p, layer->vectors[YOCO_ROLE_MIXER_NORM],
                   layer->vectors[YOCO_ROLE_MIXER_NORM_BIAS]);
    if (layer->ops->keep)
        YOCO_TRY(layer->ops->keep(p));
    if (!layer->ops->mix || (is_last && layer->o_exponent))
        return YOCO_OK;
    YOCO_TRY(layer->ops->mix(p));
    if (is_last)
        return YOCO_OK;
    yoco_add_output(p);
    yoco_feed_forward(p);
    yoco_add_embedding(p);
    return YOCO_OK;
}

yoco_status yoco_piece_run(yoco_pass *p)
{
    yoco_worker *w = p->w;
    const yoco_model *m = w->model;
    for (int64_t i = 0; i < p->n_rows; i++)
        w->positions[i] = p->position + i;
    yoco_embed_rows(p);
    yoco_embed_layers(p, m->last_kept);
    for (int i = 0; i <= m->last_kept; i++) {
        p->layer = &m->layers[i];
        YOCO_TRY(run_layer(p, i == m->last_kept));
    }
    return yoco_settle(w);
}
