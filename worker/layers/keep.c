/* K and V of every row, for the layers that name this one as their source. */
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"

static yoco_status keep(yoco_pass *p)
{
    const yoco_store *store = &p->w->stores[p->layer->store];
    yoco_make_kv(p, yoco_store_rows(p, store, 0), yoco_store_rows(p, store, 1));
    yoco_store_append(p, store);
    return YOCO_OK;
}

const yoco_layer_ops yoco_keep_layer = {
    .keep = keep, .step = keep, .value_bounds = yoco_value_bounds};
