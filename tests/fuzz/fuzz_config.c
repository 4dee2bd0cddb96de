#include "configs/model/fields.h"
#include "configs/model/shape.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What every later computation counts on. */
static bool heads_are_sound(const yoco_model_shape *m, const yoco_layer_shape *l)
{
    return l->n_kv_heads >= 1 && l->n_heads % l->n_kv_heads == 0 &&
           l->n_kv_heads % yoco_layer_v_heads(l) == 0 && l->k_dim >= 1 && l->v_dim >= 1 &&
           l->window >= 0 &&
           (l->kind == YOCO_LAYER_DELTA || l->rotation < 0 ||
            (l->rotation < m->n_rotations && l->k_dim % 2 == 0 &&
             m->rotations[l->rotation].head_dim == l->k_dim));
}

/* Of a scan, or of what gates one. */
static bool channels_are_sound(const yoco_model_shape *m, const yoco_layer_shape *l)
{
    const yoco_layer_shape *scan = &m->layers[l->source];
    bool is_scan = scan->kind == YOCO_LAYER_MAMBA && scan->n_states >= 1 &&
                   scan->n_states <= YOCO_MAX_STATES && scan->n_taps >= 1 && scan->dt_rank >= 1 &&
                   scan->dt_rank <= scan->n_channels;
    return is_scan && scan->n_channels == l->n_channels &&
           (l->kind == YOCO_LAYER_MAMBA || scan->traits & YOCO_TRAIT_MEMORY);
}

static bool layer_is_sound(const yoco_model_shape *m, int index)
{
    const yoco_layer_shape *l = &m->layers[index];
    return l->dim == m->dim && l->source >= 0 && l->source <= index &&
           (l->n_channels > 0 ? channels_are_sound(m, l) : heads_are_sound(m, l));
}

/* Angles are frequencies times a position. */
static bool rotation_is_sound(const yoco_rotation *r)
{
    int n = yoco_rotation_pairs(r);
    bool sound = n >= 1 && yoco_rotation_width(r) % 2 == 0 &&
                 yoco_rotation_width(r) <= r->head_dim && r->n_turned <= n;
    for (int i = 0; i < n; i++)
        sound = sound && yoco_rotation_frequency(r, i) >= 0 &&
                yoco_rotation_frequency(r, i) * (double)YOCO_MAX_SEQ_LEN < 1e300;
    return sound && yoco_rotation_amplitude(r) < 1e6;
}

/* The last of its rows is one of the tensor's. */
static bool rows_are_sound(const yoco_tensor_spec *spec)
{
    const int64_t n = spec->rule.n_out, group = spec->group_rows > 0 ? spec->group_rows : n;
    return n >= 1 && n % group == 0 &&
           spec->first_row + (n / group - 1) * spec->group_stride + group <= spec->shape[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yoco_model_shape *m;
    yoco_tensor_spec *specs;
    int n_specs;
    if (yoco_model_shape_parse("fuzz", (const char *)data, size, &m) != YOCO_OK)
        return 0;
    bool sound = m->n_layers >= 1 && m->max_seq_len >= 1 && m->n_ends <= YOCO_MAX_ENDS;
    for (int i = 0; i < m->n_layers; i++)
        sound = sound && layer_is_sound(m, i);
    for (int i = 0; i < m->n_rotations; i++)
        sound = sound && rotation_is_sound(&m->rotations[i]);
    for (int i = 0; i < m->n_ends; i++)
        sound = sound && m->ends[i] >= 0 && m->ends[i] < m->vocab_size;
    if (!sound || yoco_model_tensors(m, &specs, &n_specs) != YOCO_OK)
        abort();
    for (int i = 0; i < n_specs; i++)
        if (specs[i].name[0] == '\0' || strstr(specs[i].name, "(null)") ||
            !rows_are_sound(&specs[i]))
            abort();
    yoco_free(specs);
    yoco_free(m);
    return 0;
}
