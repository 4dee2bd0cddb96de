#include "configs/model/family.h"

#include <stdlib.h>
#include <string.h>

static size_t shape_bytes(int n_layers, size_t text_bytes)
{
    const yoco_model_shape *shape = NULL;
    return sizeof *shape + (size_t)n_layers * sizeof *shape->layers + text_bytes;
}

const char *yoco_model_shape_text(const yoco_model_shape *shape)
{
    return (const char *)(shape->layers + shape->n_layers);
}

yoco_status yoco_model_shape_create(const yoco_family *family, int n_layers, const json_t *config,
                                    yoco_model_shape **out)
{
    char *text = json_dumps(config, JSON_INDENT(2));
    yoco_model_shape *shape = NULL;
    yoco_status status = YOCO_ERR_MEMORY;
    size_t text_bytes = text ? strlen(text) : 0;
    if (text)
        status = yoco_alloc(shape_bytes(n_layers, text_bytes), "a model's shape", (void **)&shape);
    else
        yoco_log_error("no memory for the text of a model's config");
    if (status == YOCO_OK) {
        memset(shape, 0, shape_bytes(n_layers, 0));
        shape->family = family;
        shape->n_layers = n_layers;
        shape->text_bytes = text_bytes;
        memcpy(shape->layers + n_layers, text, text_bytes);
        *out = shape;
    }
    free(text);
    return status;
}

yoco_status yoco_model_shape_copy(const yoco_model_shape *shape, yoco_model_shape **out)
{
    size_t bytes = shape_bytes(shape->n_layers, shape->text_bytes);
    YOCO_TRY(yoco_alloc(bytes, "a model's shape", (void **)out));
    memcpy(*out, shape, bytes);
    return YOCO_OK;
}

const char *yoco_model_shape_file(const yoco_model_shape *shape)
{
    return shape->family->file;
}

int yoco_model_add_rotation(yoco_model_shape *shape, const yoco_rotation *rotation)
{
    for (int i = 0; i < shape->n_rotations; i++)
        if (yoco_rotation_equal(&shape->rotations[i], rotation))
            return i;
    shape->rotations[shape->n_rotations] = *rotation;
    return shape->n_rotations++;
}

int yoco_shape_last_kept(const yoco_model_shape *shape)
{
    yoco_past_shape pasts[YOCO_MAX_PASTS];
    int last = shape->n_layers - 1;
    while (last > 0 && yoco_layer_pasts(&shape->layers[last], pasts) == 0)
        last--;
    return last;
}

bool yoco_shape_is_merged(const yoco_model_shape *shape, int layer)
{
    return shape->layers[layer].n_heads > 0 &&
           yoco_layer_keeps_rows(yoco_shape_source(shape, layer));
}

int yoco_shape_n_merged(const yoco_model_shape *shape)
{
    int n = 0;
    for (int i = 0; i < shape->n_layers; i++)
        n += yoco_shape_is_merged(shape, i);
    return n;
}

bool yoco_shape_passes_rows(const yoco_model_shape *shape, int layer)
{
    return shape->layers[layer].kind == YOCO_LAYER_ATTENTION && layer < yoco_shape_last_kept(shape);
}

int64_t yoco_shape_kept_width(const yoco_model_shape *shape)
{
    yoco_past_shape pasts[YOCO_MAX_PASTS];
    int64_t width = 0;
    for (int i = 0; i < shape->n_layers; i++)
        for (int j = yoco_layer_pasts(&shape->layers[i], pasts); j-- > 0;)
            if (pasts[j].form == YOCO_PAST_ROWS)
                width += pasts[j].width[0] + pasts[j].width[1];
    return width;
}

int64_t yoco_shape_read_width(const yoco_model_shape *shape)
{
    int64_t width = 0;
    for (int i = 0; i < shape->n_layers; i++)
        if (yoco_shape_is_merged(shape, i))
            width += yoco_layer_k_width(yoco_shape_source(shape, i)) +
                     yoco_layer_v_width(yoco_shape_source(shape, i));
    return width;
}

double yoco_shape_read_flops(const yoco_model_shape *shape)
{
    double flops = 0;
    for (int i = 0; i < shape->n_layers; i++)
        if (yoco_shape_is_merged(shape, i))
            flops += 2.0 * (double)(yoco_layer_q_width(&shape->layers[i]) +
                                    yoco_layer_heads_width(&shape->layers[i]));
    return flops;
}

int yoco_shape_run(const yoco_model_shape *shape, int first)
{
    int n = 0;
    bool same = true;
    for (int i = first; i < shape->n_layers && same; i++, n += same) {
        yoco_layer_shape layer = shape->layers[i];
        layer.source = shape->layers[first].source;
        layer.lambda_init = shape->layers[first].lambda_init;
        same = memcmp(&layer, &shape->layers[first], sizeof layer) == 0;
    }
    return n;
}

int64_t yoco_shape_longest_window(const yoco_model_shape *shape)
{
    int64_t longest = 0;
    for (int i = 0; i < shape->n_layers; i++)
        longest = yoco_i64_max(longest, shape->layers[i].window);
    return longest;
}

int64_t yoco_shape_chunk_multiple(const yoco_model_shape *shape)
{
    int64_t multiple = 1;
    for (int i = 0; i < shape->n_layers; i++)
        multiple = yoco_i64_max(multiple, yoco_layer_chunk_multiple(&shape->layers[i]));
    return multiple;
}
