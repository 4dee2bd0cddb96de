/* Which tensors a config asks for, by the names of the release. */
#include "configs/model/checkpoint_parts.h"

#include <stddef.h>
#include <stdio.h>

typedef enum axis { AXIS_NONE, AXIS_DIM, AXIS_HIDDEN, AXIS_VOCAB, AXIS_KV, AXIS_SELF_HEADS } axis;

enum { IN_SELF = 1, IN_CROSS = 2, IN_BOTH = 3 };

typedef struct rule {
    const char *name; /* of a layer's tensor: what follows "self_decoder.layers.0." */
    axis rows, columns;
    size_t offset; /* of its slot in the checkpoint or the layer */
    int decoders;  /* of a layer's tensor */
    bool retention_only;
} rule;

#define MODEL_SLOT(field) offsetof(yoco_checkpoint, field)
#define LAYER_SLOT(field) offsetof(yoco_layer_tensors, field)

static const rule model_rules[] = {
    {"embed_tokens.weight", AXIS_VOCAB, AXIS_DIM, MODEL_SLOT(embed_tokens), 0, false},
    {YOCO_OUTPUT_PROJECTION, AXIS_VOCAB, AXIS_DIM, MODEL_SLOT(output_projection), 0, false},
    {"cross_decoder.kv_layer_norm.weight", AXIS_DIM, AXIS_NONE, MODEL_SLOT(kv_norm), 0, false},
    {"cross_decoder.k_proj.weight", AXIS_KV, AXIS_DIM, MODEL_SLOT(k_proj), 0, false},
    {"cross_decoder.v_proj.weight", AXIS_KV, AXIS_DIM, MODEL_SLOT(v_proj), 0, false},
    {"layer_norm.weight", AXIS_DIM, AXIS_NONE, MODEL_SLOT(final_norm), 0, false},
};

static const rule layer_rules[] = {
    {"mixer_layer_norm.weight", AXIS_DIM, AXIS_NONE, LAYER_SLOT(mixer_norm), IN_BOTH, false},
    {"mixer.q_proj.weight", AXIS_DIM, AXIS_DIM, LAYER_SLOT(q_proj), IN_BOTH, false},
    {"mixer.k_proj.weight", AXIS_DIM, AXIS_DIM, LAYER_SLOT(k_proj), IN_SELF, false},
    {"mixer.v_proj.weight", AXIS_DIM, AXIS_DIM, LAYER_SLOT(v_proj), IN_SELF, false},
    {"mixer.g_proj.weight", AXIS_DIM, AXIS_DIM, LAYER_SLOT(g_proj), IN_SELF, true},
    {"mixer.gt_proj.weight", AXIS_SELF_HEADS, AXIS_DIM, LAYER_SLOT(gt_proj), IN_SELF, true},
    {"mixer.out_proj.weight", AXIS_DIM, AXIS_DIM, LAYER_SLOT(out_proj), IN_BOTH, false},
    {"final_layer_norm.weight", AXIS_DIM, AXIS_NONE, LAYER_SLOT(ffn_norm), IN_BOTH, false},
    {"ffn.fc1.weight", AXIS_HIDDEN, AXIS_DIM, LAYER_SLOT(fc1), IN_BOTH, false},
    {"ffn.gate.weight", AXIS_HIDDEN, AXIS_DIM, LAYER_SLOT(gate), IN_BOTH, false},
    {"ffn.fc2.weight", AXIS_DIM, AXIS_HIDDEN, LAYER_SLOT(fc2), IN_BOTH, false},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int64_t axis_size(const yoco_model_config *config, axis a)
{
    switch (a) {
    case AXIS_DIM:
        return config->dim;
    case AXIS_HIDDEN:
        return config->hidden_dim;
    case AXIS_VOCAB:
        return config->vocab_size;
    case AXIS_KV:
        return yoco_config_kv_dim(config);
    case AXIS_SELF_HEADS:
        return config->n_self_heads;
    case AXIS_NONE:
        break;
    }
    return 0;
}

/* `owner` is the struct that the rule's slot lies in. */
static checkpoint_spec spec_make(const yoco_model_config *config, const rule *r, void *owner)
{
    return (checkpoint_spec){.n_dims = r->columns == AXIS_NONE ? 1 : 2,
                             .shape = {axis_size(config, r->rows), axis_size(config, r->columns)},
                             .slot = (const yoco_tensor **)((char *)owner + r->offset)};
}

static int layer_specs(const yoco_model_config *config, int layer, yoco_layer_tensors *tensors,
                       checkpoint_spec *specs)
{
    int n = 0, n_self = yoco_config_n_self_layers(config);
    bool is_self = layer < n_self;
    for (size_t i = 0; i < COUNT(layer_rules); i++) {
        const rule *r = &layer_rules[i];
        if (!(r->decoders & (is_self ? IN_SELF : IN_CROSS)) ||
            (r->retention_only && !yoco_config_is_retention(config)))
            continue;
        specs[n] = spec_make(config, r, tensors);
        snprintf(specs[n].name, sizeof specs[n].name, "%s.layers.%d.%s",
                 is_self ? "self_decoder" : "cross_decoder", is_self ? layer : layer - n_self,
                 r->name);
        n++;
    }
    return n;
}

yoco_status yoco_checkpoint_specs(yoco_checkpoint *checkpoint, checkpoint_spec **specs,
                                  int *n_specs)
{
    const yoco_model_config *config = &checkpoint->config;
    size_t most = COUNT(model_rules) + COUNT(layer_rules) * (size_t)config->n_layers;
    checkpoint_spec *list;
    YOCO_TRY(yoco_alloc(most * sizeof *list, "the list of tensors", (void **)&list));
    int n = 0;
    for (size_t i = 0; i < COUNT(model_rules); i++) {
        const rule *r = &model_rules[i];
        if (config->share_input_output_embed &&
            r->offset == offsetof(yoco_checkpoint, output_projection))
            continue;
        list[n] = spec_make(config, r, checkpoint);
        snprintf(list[n].name, sizeof list[n].name, "%s", r->name);
        n++;
    }
    for (int layer = 0; layer < config->n_layers; layer++)
        n += layer_specs(config, layer, &checkpoint->layers[layer], list + n);
    *specs = list;
    *n_specs = n;
    return YOCO_OK;
}
