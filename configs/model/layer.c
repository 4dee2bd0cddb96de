#include "configs/model/layer.h"

#include <stdio.h>

enum { ALIGNMENT = 64 };

typedef enum axis {
    AXIS_NONE,
    AXIS_DIM,
    AXIS_HEADS,
    AXIS_K_DIM,
    AXIS_Q,
    AXIS_K,
    AXIS_V,
    AXIS_OUT,
    AXIS_HEAD,
    AXIS_TAPS,
    AXIS_CHANNELS,
    AXIS_STATES,
    AXIS_RANK,
    AXIS_HIDDEN,
    AXIS_EMBED,
    AXIS_ONE
} axis;

enum {
    WINDOW = 1 << YOCO_LAYER_WINDOW,
    RETENTION = 1 << YOCO_LAYER_RETENTION,
    KEEP = 1 << YOCO_LAYER_KEEP,
    CROSS = 1 << YOCO_LAYER_CROSS,
    ATTENTION = 1 << YOCO_LAYER_ATTENTION,
    DELTA = 1 << YOCO_LAYER_DELTA,
    MAMBA = 1 << YOCO_LAYER_MAMBA,
    GMU = 1 << YOCO_LAYER_GMU,
    CROSS_WINDOW = 1 << YOCO_LAYER_CROSS_WINDOW,
    ATTENDERS = WINDOW | CROSS | CROSS_WINDOW | ATTENTION,
    ASKERS = ATTENDERS | RETENTION | DELTA,
    MIXERS = ASKERS | MAMBA | GMU,
    KEEPERS = WINDOW | RETENTION | KEEP | ATTENTION | DELTA,
    ALL = MIXERS | KEEP,
};

/* The one list of a layer's tensors. */
static const struct rule {
    yoco_role role;
    axis rows, columns;
    int kinds;
    int trait; /* 0: whatever the layer's traits; negative: unless it has this one */
} rules[] = {
    {YOCO_ROLE_MIXER_NORM, AXIS_DIM, AXIS_NONE, ALL, -YOCO_TRAIT_NO_PRE_NORM},
    {YOCO_ROLE_Q, AXIS_Q, AXIS_DIM, ASKERS, 0},
    {YOCO_ROLE_K, AXIS_K, AXIS_DIM, KEEPERS, 0},
    {YOCO_ROLE_V, AXIS_V, AXIS_DIM, KEEPERS, 0},
    {YOCO_ROLE_Q_BIAS, AXIS_Q, AXIS_NONE, ASKERS, YOCO_TRAIT_QKV_BIAS},
    {YOCO_ROLE_K_BIAS, AXIS_K, AXIS_NONE, KEEPERS, YOCO_TRAIT_QKV_BIAS},
    {YOCO_ROLE_V_BIAS, AXIS_V, AXIS_NONE, KEEPERS, YOCO_TRAIT_QKV_BIAS},
    {YOCO_ROLE_Q_NORM, AXIS_K_DIM, AXIS_NONE, ATTENDERS, YOCO_TRAIT_Q_NORM},
    {YOCO_ROLE_K_NORM, AXIS_K_DIM, AXIS_NONE, WINDOW | KEEP | ATTENTION, YOCO_TRAIT_K_NORM},
    {YOCO_ROLE_Q_NORM, AXIS_Q, AXIS_NONE, ATTENDERS, YOCO_TRAIT_WIDE_NORMS},
    {YOCO_ROLE_K_NORM, AXIS_K, AXIS_NONE, WINDOW | KEEP | ATTENTION, YOCO_TRAIT_WIDE_NORMS},
    {YOCO_ROLE_G, AXIS_OUT, AXIS_DIM, RETENTION | DELTA | MAMBA | GMU, 0},
    {YOCO_ROLE_G, AXIS_OUT, AXIS_DIM, WINDOW | ATTENTION, YOCO_TRAIT_OUT_GATE},
    {YOCO_ROLE_DECAY, AXIS_HEADS, AXIS_DIM, RETENTION | DELTA, 0},
    {YOCO_ROLE_BETA, AXIS_HEADS, AXIS_DIM, DELTA, 0},
    {YOCO_ROLE_Q_TAPS, AXIS_Q, AXIS_TAPS, DELTA, 0},
    {YOCO_ROLE_K_TAPS, AXIS_K, AXIS_TAPS, DELTA, 0},
    {YOCO_ROLE_V_TAPS, AXIS_V, AXIS_TAPS, DELTA, 0},
    {YOCO_ROLE_A_LOG, AXIS_HEADS, AXIS_NONE, DELTA, 0},
    {YOCO_ROLE_DT_BIAS, AXIS_HEADS, AXIS_NONE, DELTA, 0},
    {YOCO_ROLE_OUT_NORM, AXIS_HEAD, AXIS_NONE, DELTA, 0},
    {YOCO_ROLE_A_LOG, AXIS_CHANNELS, AXIS_STATES, MAMBA, 0},
    {YOCO_ROLE_DT_BIAS, AXIS_CHANNELS, AXIS_NONE, MAMBA, 0},
    {YOCO_ROLE_OUT_NORM, AXIS_HEAD, AXIS_NONE, ATTENDERS, YOCO_TRAIT_DIFFERENTIAL},
    {YOCO_ROLE_X, AXIS_CHANNELS, AXIS_DIM, MAMBA, 0},
    {YOCO_ROLE_X_TAPS, AXIS_CHANNELS, AXIS_TAPS, MAMBA, 0},
    {YOCO_ROLE_X_TAPS_BIAS, AXIS_CHANNELS, AXIS_NONE, MAMBA, 0},
    {YOCO_ROLE_DT_DOWN, AXIS_RANK, AXIS_CHANNELS, MAMBA, 0},
    {YOCO_ROLE_DT_UP, AXIS_CHANNELS, AXIS_RANK, MAMBA, 0},
    {YOCO_ROLE_STATE_IN, AXIS_STATES, AXIS_CHANNELS, MAMBA, 0},
    {YOCO_ROLE_STATE_OUT, AXIS_STATES, AXIS_CHANNELS, MAMBA, 0},
    {YOCO_ROLE_SKIP, AXIS_CHANNELS, AXIS_NONE, MAMBA, 0},
    {YOCO_ROLE_LAMBDA_Q1, AXIS_K_DIM, AXIS_NONE, ATTENDERS, YOCO_TRAIT_DIFFERENTIAL},
    {YOCO_ROLE_LAMBDA_K1, AXIS_K_DIM, AXIS_NONE, ATTENDERS, YOCO_TRAIT_DIFFERENTIAL},
    {YOCO_ROLE_LAMBDA_Q2, AXIS_K_DIM, AXIS_NONE, ATTENDERS, YOCO_TRAIT_DIFFERENTIAL},
    {YOCO_ROLE_LAMBDA_K2, AXIS_K_DIM, AXIS_NONE, ATTENDERS, YOCO_TRAIT_DIFFERENTIAL},
    {YOCO_ROLE_MIXER_NORM_BIAS, AXIS_DIM, AXIS_NONE, ALL, YOCO_TRAIT_NORM_BIAS},
    {YOCO_ROLE_OUT, AXIS_DIM, AXIS_OUT, MIXERS, 0},
    {YOCO_ROLE_OUT_BIAS, AXIS_DIM, AXIS_NONE, MIXERS, YOCO_TRAIT_OUT_BIAS},
    {YOCO_ROLE_MIXER_OUT_NORM, AXIS_DIM, AXIS_NONE, MIXERS, YOCO_TRAIT_POST_NORM},
    /* of every layer that has a feed-forward part */
    {YOCO_ROLE_FFN_NORM, AXIS_DIM, AXIS_NONE, ALL, -YOCO_TRAIT_NO_PRE_NORM},
    {YOCO_ROLE_FFN_NORM_BIAS, AXIS_DIM, AXIS_NONE, ALL, YOCO_TRAIT_NORM_BIAS},
    {YOCO_ROLE_FC1, AXIS_HIDDEN, AXIS_DIM, ALL, 0},
    {YOCO_ROLE_GATE, AXIS_HIDDEN, AXIS_DIM, ALL, 0},
    {YOCO_ROLE_FC2, AXIS_DIM, AXIS_HIDDEN, ALL, 0},
    {YOCO_ROLE_FFN_OUT_NORM, AXIS_DIM, AXIS_NONE, ALL, YOCO_TRAIT_POST_NORM},
    /* of every layer that has something of each token besides */
    {YOCO_ROLE_EMBED_IN, AXIS_EMBED, AXIS_DIM, MIXERS, 0},
    {YOCO_ROLE_EMBED_GATE, AXIS_EMBED, AXIS_DIM, MIXERS, 0},
    {YOCO_ROLE_EMBED_OUT, AXIS_DIM, AXIS_EMBED, MIXERS, 0},
    {YOCO_ROLE_EMBED_OUT_NORM, AXIS_DIM, AXIS_NONE, MIXERS, YOCO_TRAIT_POST_NORM},
    {YOCO_ROLE_SCALE, AXIS_ONE, AXIS_NONE, MIXERS, YOCO_TRAIT_SCALE},
};

static int64_t axis_size(const yoco_layer_shape *layer, axis a)
{
    switch (a) {
    case AXIS_DIM:
        return layer->dim;
    case AXIS_HEADS:
        return layer->n_heads;
    case AXIS_K_DIM:
        return layer->k_dim;
    case AXIS_Q:
        return yoco_layer_q_width(layer);
    case AXIS_K:
        return yoco_layer_k_width(layer);
    case AXIS_V:
        return yoco_layer_v_width(layer);
    case AXIS_OUT:
        return yoco_layer_out_width(layer);
    case AXIS_HEAD:
        return layer->v_dim;
    case AXIS_TAPS:
        return layer->n_taps;
    case AXIS_CHANNELS:
        return layer->n_channels;
    case AXIS_STATES:
        return layer->n_states;
    case AXIS_RANK:
        return layer->dt_rank;
    case AXIS_HIDDEN:
        return layer->hidden_dim;
    case AXIS_EMBED:
        return layer->embed_dim;
    case AXIS_ONE:
        return 1;
    case AXIS_NONE:
        break;
    }
    return 0;
}

static bool has_trait(const yoco_layer_shape *layer, int trait)
{
    return trait < 0 ? !(layer->traits & -trait) : !trait || layer->traits & trait;
}

static bool has_part(const yoco_layer_shape *layer, yoco_role role)
{
    if (role >= YOCO_ROLE_FFN_NORM && role <= YOCO_ROLE_FFN_OUT_NORM)
        return layer->hidden_dim > 0;
    if (role >= YOCO_ROLE_EMBED_IN && role <= YOCO_ROLE_EMBED_OUT_NORM)
        return layer->embed_dim > 0;
    return true;
}

static bool is_norm(yoco_role role)
{
    return role == YOCO_ROLE_MIXER_NORM || role == YOCO_ROLE_Q_NORM || role == YOCO_ROLE_K_NORM ||
           role == YOCO_ROLE_MIXER_OUT_NORM || role == YOCO_ROLE_FFN_NORM ||
           role == YOCO_ROLE_FFN_OUT_NORM;
}

int yoco_layer_tensor_rules(const yoco_layer_shape *layer, yoco_tensor_rule out[YOCO_N_ROLES])
{
    int n = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct rule *r = &rules[i];
        if (!(r->kinds & 1 << layer->kind) || !has_part(layer, r->role) ||
            !has_trait(layer, r->trait))
            continue;
        out[n++] = (yoco_tensor_rule){
            .role = r->role,
            .n_out = axis_size(layer, r->rows),
            .n_in = axis_size(layer, r->columns),
            .is_table =
                r->columns == AXIS_NONE || r->columns == AXIS_TAPS || r->columns == AXIS_STATES,
            .is_less_1 = layer->traits & YOCO_TRAIT_NORM_LESS_1 && is_norm(r->role)};
    }
    return n;
}

static yoco_past_shape state_of(const yoco_layer_shape *layer)
{
    return (yoco_past_shape){.form = YOCO_PAST_STATE,
                             .state = {layer->n_heads, layer->k_dim, layer->v_dim}};
}

int yoco_layer_pasts(const yoco_layer_shape *layer, yoco_past_shape pasts[YOCO_MAX_PASTS])
{
    const int64_t k = yoco_layer_k_width(layer), v = yoco_layer_v_width(layer);
    switch (layer->kind) {
    case YOCO_LAYER_WINDOW:
        pasts[0] = (yoco_past_shape){
            .form = YOCO_PAST_WINDOW, .width = {k, v}, .n_rows = layer->window - 1};
        return 1;
    case YOCO_LAYER_RETENTION:
        pasts[0] = state_of(layer);
        return 1;
    case YOCO_LAYER_DELTA: /* inputs of the convolutions, Q and K side by side */
        pasts[0] = (yoco_past_shape){.form = YOCO_PAST_WINDOW,
                                     .width = {yoco_layer_q_width(layer) + k, v},
                                     .n_rows = layer->n_taps - 1};
        pasts[1] = state_of(layer);
        return 2;
    case YOCO_LAYER_MAMBA: /* inputs of the convolution */
        pasts[0] = (yoco_past_shape){
            .form = YOCO_PAST_WINDOW, .width = {layer->n_channels, 0}, .n_rows = layer->n_taps - 1};
        pasts[1] = (yoco_past_shape){.form = YOCO_PAST_STATE,
                                     .state = {1, layer->n_states, layer->n_channels}};
        return 2;
    case YOCO_LAYER_KEEP:
    case YOCO_LAYER_ATTENTION:
        pasts[0] = (yoco_past_shape){.form = YOCO_PAST_ROWS, .width = {k, v}};
        return 1;
    case YOCO_LAYER_CROSS:
    case YOCO_LAYER_CROSS_WINDOW:
    case YOCO_LAYER_GMU:
    case YOCO_N_LAYER_KINDS:
        break;
    }
    return 0;
}

bool yoco_layer_keeps_rows(const yoco_layer_shape *layer)
{
    yoco_past_shape pasts[YOCO_MAX_PASTS];
    for (int i = yoco_layer_pasts(layer, pasts); i-- > 0;)
        if (pasts[i].form == YOCO_PAST_ROWS)
            return true;
    return false;
}

static size_t rows_bytes(const yoco_past_shape *past, int64_t n_rows, yoco_dtype dtype)
{
    return (size_t)n_rows *
           (yoco_past_row_bytes(past, 0, dtype) + yoco_past_row_bytes(past, 1, dtype));
}

size_t yoco_past_edge_bytes(const yoco_past_shape *past, int64_t position, yoco_dtype dtype)
{
    if (past->form == YOCO_PAST_STATE)
        return position == 0 ? 0 : yoco_past_state_bytes(past);
    return rows_bytes(past, yoco_past_edge_rows(past, position), dtype);
}

size_t yoco_past_branch_bytes(const yoco_past_shape *past, int64_t branch_rows, yoco_dtype dtype)
{
    if (past->form == YOCO_PAST_STATE)
        return yoco_past_state_bytes(past);
    return rows_bytes(past, yoco_past_ring_rows(past, branch_rows), dtype);
}

yoco_layer_wide yoco_layer_wide_of(const yoco_layer_shape *layer)
{
    const int64_t q = yoco_layer_q_width(layer), k = yoco_layer_k_width(layer);
    const int64_t v = yoco_layer_v_width(layer), hidden = layer->hidden_dim;
    yoco_layer_wide mixer = {.a = q + k, .b = v};
    if (layer->kind == YOCO_LAYER_RETENTION)
        mixer = (yoco_layer_wide){.a = q + k + yoco_layer_out_width(layer),
                                  .b = v + yoco_layer_out_width(layer)};
    if (layer->kind == YOCO_LAYER_CROSS || layer->kind == YOCO_LAYER_CROSS_WINDOW)
        mixer = (yoco_layer_wide){.a = q};
    if (layer->kind == YOCO_LAYER_DELTA)
        mixer = (yoco_layer_wide){.a = q + k, .b = v + yoco_layer_out_width(layer)};
    if (layer->kind == YOCO_LAYER_MAMBA)
        mixer = (yoco_layer_wide){.a = 2 * (int64_t)layer->n_channels,
                                  .b = (int64_t)layer->n_channels + layer->dt_rank +
                                       2 * (int64_t)layer->n_states};
    if (layer->kind == YOCO_LAYER_GMU)
        mixer = (yoco_layer_wide){.a = layer->n_channels};
    if (layer->traits & YOCO_TRAIT_DIFFERENTIAL)
        mixer.b = v + yoco_layer_heads_width(layer);
    if (layer->traits & YOCO_TRAIT_OUT_GATE)
        mixer = (yoco_layer_wide){.a = mixer.a + yoco_layer_out_width(layer),
                                  .b = v + yoco_layer_heads_width(layer)};
    if (layer->traits & YOCO_TRAIT_POST_NORM) /* what is normed before it is added */
        mixer.a = yoco_i64_max(mixer.a, layer->dim);
    mixer.a = yoco_i64_max(mixer.a, (int64_t)YOCO_EMBED_GROUP * layer->embed_dim);
    return (yoco_layer_wide){yoco_i64_max(mixer.a, hidden), yoco_i64_max(mixer.b, hidden)};
}

yoco_retention_scratch yoco_retention_scratch_of(const yoco_layer_shape *layer, int64_t n_rows)
{
    int64_t f32 = sizeof(float),
            state = (int64_t)layer->n_heads * layer->k_dim * layer->v_dim * f32;
    size_t gates = (size_t)yoco_round_up(n_rows * layer->n_heads * f32, ALIGNMENT), states;
    if (!yoco_size_mul((size_t)yoco_round_up(state, ALIGNMENT),
                       (size_t)yoco_div_up(n_rows, YOCO_RETENTION_ROWS), &states))
        return (yoco_retention_scratch){.bytes = SIZE_MAX};
    return (yoco_retention_scratch){
        .gate = states, .decay = states + gates, .bytes = states + 2 * gates};
}

yoco_delta_scratch yoco_delta_scratch_of(const yoco_layer_shape *layer, int64_t n_rows)
{
    int64_t f32 = sizeof(float), heads = layer->n_heads;
    size_t gates = (size_t)yoco_round_up(n_rows * heads * f32, ALIGNMENT), states, w;
    if (!yoco_size_mul((size_t)(heads * layer->k_dim * layer->v_dim * f32),
                       (size_t)yoco_div_up(n_rows, YOCO_DELTA_ROWS), &states) ||
        !yoco_size_mul((size_t)(heads * layer->k_dim * f32), (size_t)n_rows, &w))
        return (yoco_delta_scratch){.bytes = SIZE_MAX};
    states = (size_t)yoco_round_up((int64_t)states, ALIGNMENT);
    w = (size_t)yoco_round_up((int64_t)w, ALIGNMENT);
    return (yoco_delta_scratch){.w = states,
                                .decay = states + w,
                                .beta = states + w + gates,
                                .bytes = states + w + 2 * gates};
}

yoco_causal_scratch yoco_causal_scratch_of(const yoco_layer_shape *layer, int64_t n_rows)
{
    size_t f32 = sizeof(float), heads = (size_t)layer->n_heads * f32, row, out, bytes;
    size_t of_heads = (size_t)yoco_round_up(n_rows * (int64_t)heads, ALIGNMENT);
    if (!yoco_size_mul((size_t)layer->n_heads * f32, (size_t)layer->v_dim, &row) ||
        !yoco_size_mul(row, (size_t)n_rows, &out) || !yoco_size_add(out, 2 * of_heads, &bytes))
        return (yoco_causal_scratch){.bytes = SIZE_MAX};
    return (yoco_causal_scratch){.sum = of_heads, .out = 2 * of_heads, .bytes = bytes};
}

yoco_layer_shape yoco_layer_for_all_rows(const yoco_layer_shape *layer)
{
    yoco_layer_shape all = *layer;
    if (layer->kind == YOCO_LAYER_CROSS)
        all.kind = YOCO_LAYER_ATTENTION;
    if (layer->kind == YOCO_LAYER_CROSS_WINDOW)
        all.kind = YOCO_LAYER_WINDOW;
    return all;
}

size_t yoco_layer_scratch(const yoco_layer_shape *layer, int64_t n_rows)
{
    if (layer->kind == YOCO_LAYER_DELTA)
        return yoco_delta_scratch_of(layer, n_rows).bytes;
    if (layer->kind == YOCO_LAYER_MAMBA)
        return (size_t)layer->n_states * (size_t)layer->n_channels * sizeof(float);
    if (layer->kind == YOCO_LAYER_ATTENTION)
        return yoco_causal_scratch_of(layer, n_rows).bytes;
    return layer->kind == YOCO_LAYER_RETENTION ? yoco_retention_scratch_of(layer, n_rows).bytes : 0;
}

const char *yoco_layer_kind_name(yoco_layer_kind kind)
{
    static const char *const names[YOCO_N_LAYER_KINDS] = {
        [YOCO_LAYER_WINDOW] = "window attention",
        [YOCO_LAYER_RETENTION] = "gated retention",
        [YOCO_LAYER_KEEP] = "K,V for later layers",
        [YOCO_LAYER_CROSS] = "cross attention",
        [YOCO_LAYER_DELTA] = "gated delta rule",
        [YOCO_LAYER_MAMBA] = "selective scan",
        [YOCO_LAYER_GMU] = "gated memory unit",
        [YOCO_LAYER_ATTENTION] = "full attention",
        [YOCO_LAYER_CROSS_WINDOW] = "cross window attention",
    };
    return names[kind];
}

int64_t yoco_layer_chunk_multiple(const yoco_layer_shape *layer)
{
    return layer->kind == YOCO_LAYER_RETENTION ? YOCO_RETENTION_ROWS : 1;
}

void yoco_layer_describe(const yoco_layer_shape *layer, char *text, size_t size)
{
    char window[48] = "", heads[64];
    if (layer->kind == YOCO_LAYER_WINDOW || layer->kind == YOCO_LAYER_CROSS_WINDOW)
        snprintf(window, sizeof window, " over %d tokens", layer->window);
    if (layer->kind == YOCO_LAYER_DELTA)
        snprintf(heads, sizeof heads, "%d heads of %d x %d on %d", layer->n_heads, layer->k_dim,
                 layer->v_dim, layer->n_kv_heads);
    else if (layer->n_heads == layer->n_kv_heads || layer->n_heads == 0)
        snprintf(heads, sizeof heads, "%d heads of %d", layer->n_kv_heads, layer->k_dim);
    else
        snprintf(heads, sizeof heads, "%d heads of %d on %d", layer->n_heads, layer->k_dim,
                 layer->n_kv_heads);
    if (layer->kind == YOCO_LAYER_MAMBA)
        snprintf(heads, sizeof heads, "%d channels of %d states", layer->n_channels,
                 layer->n_states);
    if (layer->kind == YOCO_LAYER_GMU)
        snprintf(heads, sizeof heads, "%d channels", layer->n_channels);
    snprintf(text, size, "%s%s%s, %s",
             layer->traits & YOCO_TRAIT_DIFFERENTIAL ? "differential " : "",
             yoco_layer_kind_name(layer->kind), window, heads);
}

/* Query t sees min(window, t + 1) rows. */
static int64_t window_pairs(int64_t n, int64_t window)
{
    int64_t head = yoco_i64_min(n, window);
    return head * (head + 1) / 2 + (n - head) * window;
}

/* The same in blocks of YOCO_RETENTION_ROWS; reading and feeding the state costs a row as much as
 * head_dim more pairs. */
static int64_t retention_pairs(int64_t n, int64_t head_dim)
{
    int64_t rows = YOCO_RETENTION_ROWS;
    return n / rows * window_pairs(rows, rows) + window_pairs(n % rows, rows) + n * head_dim;
}

/* Of a block of YOCO_DELTA_ROWS rows: pairs of k and k, of q and k, and of what is solved for W, U
 * and the output; W, K and Q times the state. */
static double delta_flops(const yoco_layer_shape *layer, int64_t n)
{
    int64_t rows = YOCO_DELTA_ROWS;
    int64_t pairs = n / rows * window_pairs(rows, rows) + window_pairs(n % rows, rows);
    double k = layer->k_dim, v = layer->v_dim;
    return 2.0 * layer->n_heads * ((double)pairs * (3 * k + 2 * v) + (double)n * 3 * k * v);
}

double yoco_layer_mixer_flops(const yoco_layer_shape *layer, int64_t n_tokens)
{
    if (layer->kind == YOCO_LAYER_DELTA)
        return delta_flops(layer, n_tokens);
    if (layer->kind == YOCO_LAYER_MAMBA) /* partition/op_work.h */
        return 12.0 * (double)n_tokens * layer->n_channels * layer->n_states;
    int64_t pairs = layer->kind == YOCO_LAYER_WINDOW      ? window_pairs(n_tokens, layer->window)
                    : layer->kind == YOCO_LAYER_ATTENTION ? window_pairs(n_tokens, n_tokens)
                    : layer->kind == YOCO_LAYER_RETENTION ? retention_pairs(n_tokens, layer->k_dim)
                                                          : 0;
    return 2.0 * (double)(yoco_layer_q_width(layer) + yoco_layer_heads_width(layer)) *
           (double)pairs;
}
