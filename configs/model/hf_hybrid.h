/* Stacks of gated DeltaNet and full attention, by the fields that their Hugging Face configs share.
 */
#ifndef YOCO_HF_HYBRID_H
#define YOCO_HF_HYBRID_H

#include "configs/model/family.h"
#include "configs/model/hf_config.h"

/* What a config says. Before it is read, what counts where a field is absent. */
typedef struct yoco_hybrid {
    int dim, hidden_dim, n_layers, vocab_size;
    int64_t max_seq_len;
    double norm_eps;
    bool tied;
    int n_heads, head_dim; /* of attention; head_dim 0: hidden_size / n_heads */
    int n_kv_heads;        /* 0: n_heads */
    /* of DeltaNet: heads 0: n_heads; k_dim 0: three quarters of hidden_size / n_k_heads; v_dim 0:
     * twice k_dim */
    int n_k_heads, n_v_heads, k_dim, v_dim, n_taps;
    int interval; /* every so many layers one is full, where layer_types is absent */
    bool is_full[YOCO_MAX_LAYERS];
} yoco_hybrid;

yoco_status yoco_hybrid_read(const yoco_fields *f, yoco_hybrid *c);
/* A layer without rotation and traits. */
yoco_layer_shape yoco_hybrid_layer(const yoco_hybrid *c, int index);
/* A shape whose layers are to be filled in. */
yoco_status yoco_hybrid_shape(const yoco_family *family, const yoco_fields *f, const yoco_hybrid *c,
                              const json_t *root, yoco_model_shape **out);

#endif
