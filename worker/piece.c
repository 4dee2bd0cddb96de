/* A piece of consecutive rows through the layers, as far as anything is remembered of it: prefill
 * stops there. What needs no past is computed before an edge is waited for, and an edge leaves as
 * soon as it can. */
#include "worker/layers/layers.h"
#include "worker/staging.h"

static yoco_status run_layer(yoco_pass *p)
{
    const yoco_layer *layer = p->layer;
    yoco_status (*mix)(yoco_pass *) = layer->ops->mix ? layer->ops->mix : layer->ops->mix_all;
    if (!layer->ops->keep && !mix)
        return YOCO_OK;
    yoco_norm_rows(p, layer->vectors[YOCO_ROLE_MIXER_NORM],
                   layer->vectors[YOCO_ROLE_MIXER_NORM_BIAS]);
    if (layer->ops->keep)
        YOCO_TRY(layer->ops->keep(p));
    if (!mix || (p->ends_here && layer->o_exponent))
        return YOCO_OK;
    YOCO_TRY(mix(p));
    if (p->ends_here)
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
    bool runs_all = w->plan.input.runs_all && p->chunk >= 0;
    int end = runs_all ? m->shape->n_layers : m->last_kept + 1;
    for (int64_t i = 0; i < p->n_rows; i++)
        w->positions[i] = p->position + i;
    yoco_embed_rows(p);
    yoco_embed_layers(p, runs_all ? end : end - 1);
    for (int i = 0; i < end; i++) {
        p->layer = &m->layers[i];
        p->ends_here = i == m->last_kept && !runs_all;
        YOCO_TRY(run_layer(p));
    }
    return yoco_settle(w);
}
