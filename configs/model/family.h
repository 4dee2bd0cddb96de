/* Families of models: each has a file arch_*.c, which makes a list of layers (shape.h) of its
 * config and says where the weights of a layer stand in its files. Nothing else asks which family a
 * model is of. */
#ifndef YOCO_FAMILY_H
#define YOCO_FAMILY_H

#include "configs/files/hash.h"
#include "configs/files/json_text.h"
#include "configs/model/shape.h"

struct yoco_family {
    const char *model_type; /* of config.json; NULL: the authors' release */
    const char *file;       /* "config.json": what a folder's config is called */
    const char *summary;    /* what of it is supported, in lines for `yoco info --models` */
    /* A shape of the config that `name` holds, whose text is `text`. */
    yoco_status (*make)(const char *name, json_t *root, yoco_model_shape **out);
    /* Fills in the name of a layer's tensor and, where it is not the rule's, its shape. */
    void (*name_tensor)(const yoco_model_shape *shape, yoco_tensor_spec *spec);
    /* Names of the model's own tensors; the last where its shape has one. */
    const char *embedding, *output, *final_norm, *final_norm_bias, *layer_table, *layer_norm;
    /* Whether files may hold this tensor, which no layer uses. NULL: none. */
    bool (*ignores)(const char *tensor);
    /* Whether files may have a tensor under this name, and what name_tensor calls it. NULL: no
     * other names. */
    bool (*rename)(const yoco_model_shape *shape, const char *tensor,
                   char name[YOCO_TENSOR_NAME_BYTES]);
    /* What a result depends on, of the config. NULL: what the shape says. */
    yoco_status (*identify)(const yoco_model_shape *shape, yoco_hasher *hasher);
};

/* The registry. */
const yoco_family *yoco_family_at(int index); /* from 0; NULL past the last */
/* The family of a config. Where a file is called config.json, it has to name a model_type. */
yoco_status yoco_family_find(const char *name, const json_t *root, const yoco_family **out);

/* A shape of n_layers, to be filled in, that keeps `config` as its text. */
yoco_status yoco_model_shape_create(const yoco_family *family, int n_layers, const json_t *config,
                                    yoco_model_shape **out);

/* Its config, text_bytes long, without NUL. */
const char *yoco_model_shape_text(const yoco_model_shape *shape);

/* One object within YOCO_MAX_CONFIG_BYTES; the caller releases it with json_decref. */
yoco_status yoco_config_parse(const char *name, const char *text, size_t size, json_t **out);

/* arch_yoco.c: what model_config.h says, of a parsed text. */
yoco_status yoco_model_config_read(const char *name, json_t *root, yoco_model_config *out);

/* The rotation's index in the shape, which it joins unless it is there: one for each kind of layer
 * at most. */
int yoco_model_add_rotation(yoco_model_shape *shape, const yoco_rotation *rotation);

extern const yoco_family yoco_family_release, yoco_family_fla, yoco_family_phi4flash;
extern const yoco_family yoco_family_llama, yoco_family_mistral, yoco_family_qwen2,
    yoco_family_qwen3;
extern const yoco_family yoco_family_gemma4, yoco_family_gemma4_text;
extern const yoco_family yoco_family_qwen35, yoco_family_qwen35_text, yoco_family_olmo_hybrid;

#endif
