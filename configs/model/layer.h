/* A layer of a model, as arithmetic: its kind and sizes, the tensors it asks for, what it remembers
 * of the positions before, and the work memory it takes. What a kind computes stands in
 * worker/layers. A new kind is a member of yoco_layer_kind, its lines in layer.c and a file there.
 */
#ifndef YOCO_LAYER_H
#define YOCO_LAYER_H

#include "base.h"

typedef enum yoco_layer_kind {
    YOCO_LAYER_WINDOW,    /* attention over the rows before */
    YOCO_LAYER_RETENTION, /* gated retention */
    YOCO_LAYER_KEEP,      /* K,V of every row for later layers; adds nothing to the stream itself */
    YOCO_LAYER_CROSS,     /* attention over the K,V of another layer */
    YOCO_LAYER_ATTENTION, /* attention over K,V of its own, of all rows before */
    YOCO_LAYER_DELTA,     /* short convolutions of Q, K and V, then the gated delta rule */
    YOCO_LAYER_MAMBA,     /* a short convolution, then the selective scan of Mamba-1 */
    YOCO_LAYER_GMU,       /* gates the output of an earlier layer at the same position */
    YOCO_LAYER_CROSS_WINDOW, /* attention over the window of another layer */
    YOCO_N_LAYER_KINDS
} yoco_layer_kind;

typedef struct yoco_layer_shape {
    yoco_layer_kind kind;
    int source; /* the layer whose past it reads: its own index, or an earlier layer's */
    int dim;    /* of the residual stream */
    int n_heads, n_kv_heads, k_dim, v_dim; /* n_heads 0: no queries. DELTA: n_heads of V and of the
                                              output, n_kv_heads of Q and of K */
    int n_v_heads;       /* of V, where neighbouring heads of K share one; 0: as many as of K */
    int window;          /* rows that a query sees, itself included; 0: no such bound */
    int rotation;        /* of Q and K: which of the model's; < 0: none */
    int hidden_dim;      /* of the feed-forward part; 0: none */
    int embed_dim;       /* of what the layer has of every token besides; 0: nothing */
    int traits;          /* YOCO_TRAIT_: what some models' layers have besides */
    float q_norm_eps;    /* Q_NORM, K_NORM and V_NORM */
    float score_scale;   /* of the products of Q and K; 0: k_dim^-1/2 */
    float decay_divisor; /* of gated retention's log-decay */
    /* DELTA */
    int n_taps;       /* of its convolutions: rows that they see, the last itself included */
    float beta_scale; /* 1; 2 where eigenvalues of the state may be negative */
    float out_eps;    /* of the norm of each head's output */
    /* MAMBA, n_taps too */
    int n_channels; /* GMU: of the memory */
    int n_states, dt_rank;
    float lambda_init; /* DIFFERENTIAL */
} yoco_layer_shape;

enum {
    YOCO_TRAIT_QKV_BIAS = 1 << 0,     /* the products that make Q, K and V have a bias */
    YOCO_TRAIT_Q_NORM = 1 << 1,       /* RMSNorm of each head of Q, before it is rotated */
    YOCO_TRAIT_NORM_BIAS = 1 << 2,    /* its norms are LayerNorm, with a bias */
    YOCO_TRAIT_OUT_BIAS = 1 << 3,     /* so has the output product */
    YOCO_TRAIT_DIFFERENTIAL = 1 << 4, /* heads in pairs, the second subtracted from the first */
    YOCO_TRAIT_MEMORY = 1 << 5,       /* MAMBA: the GMUs that follow gate what its scan gives */
    YOCO_TRAIT_K_NORM = 1 << 6,       /* as Q_NORM, of K */
    YOCO_TRAIT_POST_NORM = 1 << 8,    /* RMSNorm of what its mixer and its feed-forward part give,
                                         before the stream adds it */
    YOCO_TRAIT_NO_PRE_NORM = 1 << 9,  /* none of what they take: the stream as it is */
    YOCO_TRAIT_V_NORM = 1 << 10,      /* the same of V, without a weight */
    YOCO_TRAIT_GEGLU = 1 << 11,       /* the feed-forward part gates by GELU, not by SiLU */
    YOCO_TRAIT_SCALE = 1 << 12,       /* the stream behind it is multiplied by a number */
    YOCO_TRAIT_NORM_LESS_1 = 1 << 13, /* weights of norms, but for OUT_NORM, are stored less 1 */
    YOCO_TRAIT_OUT_GATE = 1 << 14,    /* what its heads give, times the sigmoid of a gate */
    YOCO_TRAIT_WIDE_NORMS = 1 << 15,  /* RMSNorm of Q and of K over the channels of all heads */
};

/* What a layer's tensor is for. */
typedef enum yoco_role {
    YOCO_ROLE_MIXER_NORM,
    YOCO_ROLE_Q,
    YOCO_ROLE_K,
    YOCO_ROLE_V,
    YOCO_ROLE_Q_BIAS,
    YOCO_ROLE_K_BIAS,
    YOCO_ROLE_V_BIAS,
    YOCO_ROLE_Q_NORM, /* one weight for all heads */
    YOCO_ROLE_K_NORM,
    YOCO_ROLE_G,     /* gate of the mixer's output */
    YOCO_ROLE_DECAY, /* gate of the state */
    YOCO_ROLE_BETA,  /* how much of what the state holds a row replaces */
    YOCO_ROLE_Q_TAPS,
    YOCO_ROLE_K_TAPS,
    YOCO_ROLE_V_TAPS,
    YOCO_ROLE_A_LOG,   /* logarithm of the rate of decay: of a head; MAMBA: of each state */
    YOCO_ROLE_DT_BIAS, /* of DECAY */
    YOCO_ROLE_OUT_NORM,
    YOCO_ROLE_X, /* MAMBA: input of the convolution, */
    YOCO_ROLE_X_TAPS,
    YOCO_ROLE_X_TAPS_BIAS,
    YOCO_ROLE_DT_DOWN, /* and what the scan takes of its output: the step size, by way of few */
    YOCO_ROLE_DT_UP,   /* channels, */
    YOCO_ROLE_STATE_IN,
    YOCO_ROLE_STATE_OUT,
    YOCO_ROLE_SKIP,
    YOCO_ROLE_LAMBDA_Q1, /* DIFFERENTIAL */
    YOCO_ROLE_LAMBDA_K1,
    YOCO_ROLE_LAMBDA_Q2,
    YOCO_ROLE_LAMBDA_K2,
    YOCO_ROLE_MIXER_NORM_BIAS,
    YOCO_ROLE_OUT,
    YOCO_ROLE_OUT_BIAS,
    YOCO_ROLE_MIXER_OUT_NORM, /* POST_NORM */
    YOCO_ROLE_FFN_NORM,
    YOCO_ROLE_FFN_NORM_BIAS,
    YOCO_ROLE_FC1,
    YOCO_ROLE_GATE,
    YOCO_ROLE_FC2,
    YOCO_ROLE_FFN_OUT_NORM,
    YOCO_ROLE_EMBED_IN,   /* what the layer has of a token: of the model's own embedding, */
    YOCO_ROLE_EMBED_GATE, /* its gate, of the stream, */
    YOCO_ROLE_EMBED_OUT,  /* and what of it is added to the stream */
    YOCO_ROLE_EMBED_OUT_NORM,
    YOCO_ROLE_SCALE, /* 1 number */
    YOCO_N_ROLES
} yoco_role;

/* Of a vector: whether its elements lie around 0, as those of a bias, and not around 1. */
static inline bool yoco_role_is_offset(yoco_role role)
{
    return (role >= YOCO_ROLE_Q_BIAS && role <= YOCO_ROLE_V_BIAS) || role == YOCO_ROLE_DT_BIAS ||
           role == YOCO_ROLE_X_TAPS_BIAS ||
           (role >= YOCO_ROLE_LAMBDA_Q1 && role <= YOCO_ROLE_MIXER_NORM_BIAS) ||
           role == YOCO_ROLE_OUT_BIAS || role == YOCO_ROLE_FFN_NORM_BIAS;
}

typedef struct yoco_tensor_rule {
    yoco_role role;
    int64_t n_out, n_in; /* n_in 0: a vector of n_out */
    bool is_table;       /* kept as it is, in f32: no product reads it. A vector always is */
    bool is_less_1;      /* 1 is added to each of its elements */
} yoco_tensor_rule;

static inline int64_t yoco_rule_elements(const yoco_tensor_rule *rule)
{
    return rule->n_out * (rule->n_in > 0 ? rule->n_in : 1);
}

/* The tensors of a layer, in the order of their roles. Returns how many. */
int yoco_layer_tensor_rules(const yoco_layer_shape *layer, yoco_tensor_rule rules[YOCO_N_ROLES]);

/* Forms of memory; worker/past has a file for each. */
typedef enum yoco_past_form {
    YOCO_PAST_ROWS,   /* rows of every position, distributed by the chunk grid */
    YOCO_PAST_WINDOW, /* the last rows before a position: an edge that goes from chunk to chunk */
    YOCO_PAST_STATE,  /* a fixed size, in f32: an edge too */
} yoco_past_form;

enum { YOCO_MAX_PASTS = 3, YOCO_PAST_PARTS = 2, YOCO_STATE_DIMS = 3 };

/* One past of a layer. A layer may have several, whose edges leave at different times. */
typedef struct yoco_past_shape {
    yoco_past_form form;
    int64_t width[YOCO_PAST_PARTS]; /* ROWS, WINDOW: elements of a row of K and of V, in the run's
                                       dtype */
    int64_t n_rows;                 /* WINDOW: the most rows before a position that are seen */
    int64_t state[YOCO_STATE_DIMS]; /* STATE: its shape */
} yoco_past_shape;

/* The pasts of its own that a layer has. Returns how many. */
int yoco_layer_pasts(const yoco_layer_shape *layer, yoco_past_shape pasts[YOCO_MAX_PASTS]);
/* Whether one of them is ROWS; a layer has one of these at most. */
bool yoco_layer_keeps_rows(const yoco_layer_shape *layer);

/* Bytes of the edge that stands before `position`; 0 for what has none. */
size_t yoco_past_edge_bytes(const yoco_past_shape *past, int64_t position, yoco_dtype dtype);
/* Rows of it, WINDOW; 0 else. */
static inline int64_t yoco_past_edge_rows(const yoco_past_shape *past, int64_t position)
{
    return past->form == YOCO_PAST_WINDOW ? yoco_i64_min(past->n_rows, position) : 0;
}
/* Bytes of one branch's own part, WINDOW and STATE, where a branch has at most branch_rows rows. */
size_t yoco_past_branch_bytes(const yoco_past_shape *past, int64_t branch_rows, yoco_dtype dtype);
/* Rows of a branch's ring, WINDOW. */
static inline int64_t yoco_past_ring_rows(const yoco_past_shape *past, int64_t branch_rows)
{
    return past->form == YOCO_PAST_WINDOW ? yoco_i64_min(past->n_rows + 1, branch_rows) : 0;
}
/* Bytes of a row of a part, ROWS and WINDOW. */
static inline size_t yoco_past_row_bytes(const yoco_past_shape *past, int part, yoco_dtype dtype)
{
    return (size_t)past->width[part] * yoco_dtype_bytes(dtype);
}
/* Bytes of a STATE. */
static inline size_t yoco_past_state_bytes(const yoco_past_shape *past)
{
    return (size_t)(past->state[0] * past->state[1] * past->state[2]) * sizeof(float);
}

static inline int yoco_layer_v_heads(const yoco_layer_shape *layer)
{
    return layer->n_v_heads > 0 ? layer->n_v_heads : layer->n_kv_heads;
}

/* Widths of Q, K, V and of a mixer's output, in elements of a row. */
static inline int64_t yoco_layer_q_width(const yoco_layer_shape *layer)
{
    return (int64_t)(layer->kind == YOCO_LAYER_DELTA ? layer->n_kv_heads : layer->n_heads) *
           layer->k_dim;
}
static inline int64_t yoco_layer_k_width(const yoco_layer_shape *layer)
{
    return (int64_t)layer->n_kv_heads * layer->k_dim;
}
static inline int64_t yoco_layer_v_width(const yoco_layer_shape *layer)
{
    return (int64_t)(layer->kind == YOCO_LAYER_DELTA ? layer->n_heads : yoco_layer_v_heads(layer)) *
           layer->v_dim;
}
/* What all heads give, */
static inline int64_t yoco_layer_heads_width(const yoco_layer_shape *layer)
{
    return (int64_t)layer->n_heads * layer->v_dim;
}
/* and what the output product takes. */
static inline int64_t yoco_layer_out_width(const yoco_layer_shape *layer)
{
    return layer->n_channels > 0                     ? layer->n_channels
           : layer->traits & YOCO_TRAIT_DIFFERENTIAL ? yoco_layer_heads_width(layer) / 2
                                                     : yoco_layer_heads_width(layer);
}

/* So many layers' EMBED_IN are multiplied in one call. */
enum { YOCO_EMBED_GROUP = 5 };

/* Work memory of a layer: f32 elements for each row, in two buffers. The mixer's is free when the
 * feed-forward part starts. */
typedef struct yoco_layer_wide {
    int64_t a, b;
} yoco_layer_wide;
yoco_layer_wide yoco_layer_wide_of(const yoco_layer_shape *layer);

/* Further work memory of gated retention for n_rows rows: the states of its blocks, then what
 * begins where, and its size, in bytes; SIZE_MAX where that overflows. */
typedef struct yoco_retention_scratch {
    size_t gate, decay, bytes;
} yoco_retention_scratch;
yoco_retention_scratch yoco_retention_scratch_of(const yoco_layer_shape *layer, int64_t n_rows);
/* The same of the delta rule: the states of its blocks, then W, decay and beta. */
typedef struct yoco_delta_scratch {
    size_t w, decay, beta, bytes;
} yoco_delta_scratch;
yoco_delta_scratch yoco_delta_scratch_of(const yoco_layer_shape *layer, int64_t n_rows);
/* The same of attention over all rows before: the running maxima, sums and outputs of its queries
 * (kernels/ops_causal.h). */
typedef struct yoco_causal_scratch {
    size_t sum, out, bytes;
} yoco_causal_scratch;
yoco_causal_scratch yoco_causal_scratch_of(const yoco_layer_shape *layer, int64_t n_rows);
/* The layer where every row of a document asks: what attends to another one's K,V works as that one
 * does. */
yoco_layer_shape yoco_layer_for_all_rows(const yoco_layer_shape *layer);
size_t yoco_layer_scratch(const yoco_layer_shape *layer, int64_t n_rows);

const char *yoco_layer_kind_name(yoco_layer_kind kind); /* "window attention" */
/* "window attention over 1024 tokens, 24 heads of 128"; always terminated. */
void yoco_layer_describe(const yoco_layer_shape *layer, char *text, size_t size);
/* Work of its mixer, without products of weights, on a document of n_tokens: 4 flops for each
 * channel and pair of rows that see each other. */
double yoco_layer_mixer_flops(const yoco_layer_shape *layer, int64_t n_tokens);
/* Chunks are a multiple of this many rows. */
int64_t yoco_layer_chunk_multiple(const yoco_layer_shape *layer);

#endif
