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
/* The rotation that a config asks for, of heads whose size it has already, and whose theta is used
 * where none is given: theta and what is scaled stand in rope_parameters, as newer files have it,
 * or theta stands outside and the rest in rope_scaling. Types that are not in rotation.h are
 * refused.
 */
yoco_status yoco_hf_rotation(const yoco_fields *f, yoco_rotation *rotation);
/* The same of one object of parameters: of a kind of layer, where kinds have one each. */
yoco_status yoco_hf_rotation_of(const yoco_fields *f, const yoco_fields *rope,
                                yoco_rotation *rotation);
/* Refuses a rotation that is scaled: rope_scaling, or rope_parameters as newer files have it. */
yoco_status yoco_hf_check_rope(const yoco_fields *f);
/* eos_token_id, an id or a list of at most YOCO_MAX_ENDS; none where it is absent. */
yoco_status yoco_hf_ends(const yoco_fields *f, yoco_model_shape *shape);
/* The eos_token_id of the folder's generation_config.json, where it has one, in place of the
 * config's. */
yoco_status yoco_hf_generation(const char *folder, yoco_model_shape *shape);

#endif
