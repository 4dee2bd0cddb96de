/* What the configs of all Hugging Face families have in common. */
#ifndef YOCO_HF_CONFIG_H
#define YOCO_HF_CONFIG_H

#include "configs/model/fields.h"
#include "configs/model/shape.h"

/* The object of a config that has the family's model_type: the whole, or its text_config, to which
 * go what models with other parts say of all of them (quantization, end tokens, tied embeddings).
 */
yoco_fields yoco_hf_fields(const char *name, json_t *root, const char *model_type);
/* Refuses, by name, weights that are stored in a way of their own (quantization_config). */
yoco_status yoco_hf_check_weights(const yoco_fields *f);
/* Refuses an activation of the feed-forward part other than silu. */
yoco_status yoco_hf_check_activation(const yoco_fields *f, const char *field);
/* Refuses a rotation that is scaled: rope_scaling, or rope_parameters as newer files have it. */
yoco_status yoco_hf_check_rope(const yoco_fields *f);
/* eos_token_id, an id or a list of at most YOCO_MAX_ENDS; none where it is absent. */
yoco_status yoco_hf_ends(const yoco_fields *f, yoco_model_shape *shape);
/* The eos_token_id of the folder's generation_config.json, where it has one, in place of the
 * config's. */
yoco_status yoco_hf_generation(const char *folder, yoco_model_shape *shape);

#endif
